"""The activities as workflow code knows them: by name, types, policy and module.

A workflow must not import what its activities do (their modules open sockets and start
processes), and a bare string would lose the types. So each activity is declared here once, one
file a module; ``workflows.activities`` takes its name from the declaration, and a test holds
both signatures against each other.
"""
