-- Wake whoever reads the log live. A commit of its own, which nobody needs to wait for on disk.
SELECT set_config('synchronous_commit', 'off', true), pg_notify(events_channel(), '')
