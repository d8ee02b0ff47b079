-- Notify other daemons of dispatches that were planned for their partitions. Its own commit, which need
-- not be flushed to disk.
-- $1 bits of the partitions, as hexadecimal text
select set_config('synchronous_commit', 'off', true),
       pg_notify('dispatches_' || 'dispatches'::regclass::oid::text, $1)
