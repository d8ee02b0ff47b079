"""Is everything there that the bridge needs, does everything move, and if not, what to do.

::

    probes         ask the servers and the tables, each within its time  ──▶ Snapshot, a value
    checks         from a snapshot to findings; pure
    monitor        probes every few seconds, keeps the last snapshot, shows it in gauges
    observability  /livez, /readyz, /status, /metrics
    doctor         the same probes and checks once, from outside the daemon
"""
