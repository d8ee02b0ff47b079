"""Environments, releases and monitoring rules on this machine: folders under one state folder.

All three have these properties (`workflows.adapters.local.files`):

*One change at a time.* A change of an environment or a service holds its lock, a ``flock``, which
the kernel releases when a process is killed. So the owner of an unfinished change is dead.

*All or nothing.* Files are written under a temporary name, synced and renamed. A change of several
steps is first written to a journal; the next process that finds the journal finishes or undoes it.

Several workers may share the folder if they run on one machine.
"""
