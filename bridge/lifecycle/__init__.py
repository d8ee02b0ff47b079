"""The lifecycle of long-running parts.

::

    services      a Service starts, drains and stops; the Supervisor runs them in order
    leadership    work that runs only while a lease is held
    lease_names   the names of all leases and checkpoints
    backoff       pauses between attempts
    crash_points  points at which tests kill or freeze the process
"""
