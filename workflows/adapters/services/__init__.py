"""Services that run: releases as processes of this machine, each service under a supervisor.

.. code-block:: text

    worker ── deployer ──── control port ───┐
                                            │
    clients ── the service's port ── supervisor ── listening socket ── instance of release 7 (in force)
                                            │
    Prometheus ── /metrics ─────────────────┘── listening socket ── instance of release 8 (candidate)

*The supervisor outlives the worker* (`supervisor`). It holds the service's port, starts instances,
starts the one in force again when it ends, forwards requests and counts them. A worker finds it by
the row of the service, which is written before the supervisor is started. When it is gone (the
machine was restarted), the next worker of this machine starts it again (`keeper`).

*An instance is contained* (`launchers`). It runs in a cage without a network and accepts connections
on a socket that the supervisor has made: it can answer, and reach nothing.

*A bad release is never in force.* A candidate runs beside the release in force until it is healthy
and its smoke check has passed; then the row names it, then the supervisor forwards to it, then the
old one ends. Killed in between: the row decides, and the retry or the keeper does the rest.
"""
