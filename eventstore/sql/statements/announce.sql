-- Notify the readers that follow the log. Its own commit, which need not be flushed to disk.
SELECT set_config('synchronous_commit', 'off', true), pg_notify(events_channel(), '')
