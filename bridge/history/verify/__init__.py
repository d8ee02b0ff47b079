"""``ntbridge verify``: do NATS, the store, the dispatches and Temporal agree?

Looks, and changes nothing. Each check reads both sides in order and compares; what it finds are
`Finding` values, each naming what is wrong, with what, and what can be done. What cannot be told
(a message that the stream's age limit has removed, a run older than the namespace keeps, a
dispatch that retention has removed) is no finding but a remark: it is counted and said.

===========  ================================================================================
results      the stream of results against the store: each event that was emitted and relayed
             is there, once, in order, as the store renders it, and nothing else is
events       the source streams against the store: each message has its answer, and what
             matched has its dispatches
runs         Temporal against the dispatches: each run of a route has a dispatch, each
             dispatch its run; and runs of the routes' workflows that others started
letters      dead letters that nobody has closed
===========  ================================================================================

Verify while the daemons work, if you like: what is under way is given a grace before it counts
(`Scope.grace`).
"""
