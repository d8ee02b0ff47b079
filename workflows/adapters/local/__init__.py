"""Environments, releases and monitoring rules on this machine: folders under one state folder.

What the three have in common (`workflows.adapters.local.files`):

*One at a time.* Whoever changes an environment or a service holds its lock, a ``flock``, which
the kernel takes from a killed process. So a change that is found half-done has no owner any more.

*All or nothing.* Files are written beside their place, synced and renamed. What takes several
steps is written into a journal first; who finds a journal finishes or undoes what it says.

Several workers may share the folder as long as they run on one machine.
"""
