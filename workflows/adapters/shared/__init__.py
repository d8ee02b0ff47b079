"""What workers share: locks and rows in Postgres, and bodies in an object store.

*Nothing that matters is in a worker's folder.* Environments, releases and monitoring rules are rows;
files of releases and contents of resources are objects. So a worker with another disk continues
what a killed one began.

*One change at a time.* A change of an environment's slice or of a service holds its lock
(`workflows.adapters.shared.locks`) and writes its rows over the connection that holds it. When the
worker dies, freezes or loses the network, Postgres ends the session: the lock is free, and nothing
can be written over that connection any more.

*All or nothing.* A change of several steps is first written to a journal, a row; the next worker that finds the
journal under the lock finishes or undoes it.
"""
