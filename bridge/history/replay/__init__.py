"""Replay: send stored events again to a file, a subject or routes; counted first, and resumable.

A replay is a row of ``replays``: which events (a selection, up to where the log was final when
it began, so that the set is fixed), their target, and the progress. It runs under its own lease,
so that only one process runs it at a time. Each copy carries the extension attribute ``replayid``;
the event's identity does not change.

**An interrupted replay resumes without repeats**, because the target itself holds the progress:

==========  =============================================================================
to a file   the last whole line is the last event; an incomplete line after it is cut off
to NATS     the stream's last message of this replay names its position; batches are
            chained (`bridge.jetstream.batch_publisher`), so nothing before it is missing
to routes   plan and progress are saved in one commit
==========  =============================================================================

The row's own position is saved once a second. The search for the last message and the count of
the next run start there.

**A replay to routes has no repeated effects by default.** It plans an event only for routes that
have never dispatched it: new routes, or changed ones that did not match before. With ``again`` it
opens a new generation: new request ids, new runs, signals sent again. The rows name the replay
(``dispatches.replay``). Events of one key keep their order. Replayed dispatches have the old
positions of their events, so they are taken before new ones: therefore only a few are open at a
time, and live events wait only for those.

=============  ==========================================================================
selection      which events; counting and reading them
store          the table of replays
survey         what a replay would do, before it begins
targets        opening the target
runner         lease, pace, progress, resuming
host           runs the replays that people begin in a console
wording        replays in words
to_file        NDJSON, or one JSON array (a CloudEvents batch)
to_nats        ``replay.<id>.<original subject>``, or a given subject
to_routes      planning by today's routes
=============  ==========================================================================
"""
