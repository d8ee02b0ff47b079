"""Looking after the house: what is there, what waits, and whether that is well.

::

    looks     ask the servers and the tables, each within its time     ──▶ Sight, a value
    judging   from what was seen to findings and "ready"; pure
    watch     looks every few seconds, keeps the last sight, shows it in gauges
    pages     /livez, /readyz, /status, /metrics
"""
