"""Health checks: is all that the bridge needs available, do events move, and if not, what to do.

::

    *_probes, sources   ask NATS, Postgres, Temporal and the tables, each with a time limit
    probes              one probe of a running daemon ──▶ `Snapshot`, a value
    checks, flow_checks               from a snapshot to findings; pure
    monitor             probes every few seconds; keeps the last snapshot for pages and gauges
    doctor              the same probes and checks once, from outside the daemon
"""
