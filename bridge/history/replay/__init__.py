"""``store → file | subject | routes``: stored events sent again, counted first, and resumable.

A replay is a row of ``replays``: which events (a selection, up to where the log was final when
it began, so that the set is fixed), where they go, and how far it has come. It runs under a
lease of its own, so that nobody runs it twice at once. Each copy carries the extension attribute
``replayid``; what identifies the event stays as it is.

**Interrupted, it goes on without repeats**, because the target itself says what it has:

==========  =============================================================================
to a file   the last whole line names the last event; a torn line behind it is cut off
to NATS     the stream's last message of this replay names its position; batches
            follow one another (`bridge.jetstream.batch_publisher`), so nothing before it is missing
to routes   what is planned and how far the replay has come are one commit
==========  =============================================================================

The row's own position is saved now and then, and saves looking: it is where the search for the
last message begins, and where the next run begins to count.

**To routes, it is harmless by default.** A route that has dispatched an event does not see it
again; only a new route, or a changed one that has never matched it, is planned for it. ``again``
opens a new generation instead, on purpose: new request ids, new runs, signals sent again. The
rows name the replay (``dispatches.replay``). Events of one key keep their order. Replayed
dispatches have the old positions of their events, hence would go before everything new: so only
few of them are open at any time, and live events wait for no more than those.

=============  ==========================================================================
selection      which events; counting and reading them
register       the table
running        lease, pace, progress, saving, going on
to_file        NDJSON, or one JSON array (a CloudEvents batch)
to_nats        ``replay.<id>.<original subject>``, or a subject of choice
to_routes      planning by today's routes
=============  ==========================================================================
"""
