"""The declarations of activities for workflow code: name, types, policy and module.

A workflow must not import the code of its activities, which opens sockets and starts processes;
a bare name would lose the types. So each activity is declared here once, in one file for each
module. ``workflows.activities`` takes the name from the declaration, and a test compares both
signatures.
"""
