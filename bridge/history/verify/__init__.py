"""Verify: compare NATS, the store, the dispatches and Temporal, for ``ntbridge verify``.

It changes nothing. Each check reads both sides in order and compares them. Each difference is a
`Discrepancy`: what is wrong, about what, and what to do. What cannot be checked (a message that
the stream's age limit has removed, a run older than the namespace's retention, a dispatch that
retention has deleted) is not a discrepancy; it is counted and reported.

===========  ================================================================================
results      the stream of results against the store: each relayed event is on it once, in
             order, as the store renders it, and no other message is
events       the source streams against the store: each message is recorded, and each
             matched event has its dispatches
runs         Temporal against the dispatches: each run of a route has a dispatch, each
             dispatch its run; and runs of the routes' workflows that other clients started
letters      open dead letters
===========  ================================================================================

Daemons may run during it: events younger than `Scope.grace` do not count as missing.
"""
