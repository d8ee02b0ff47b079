-- The channel to LISTEN on for planned dispatches; schemas of one database never share it.
select 'dispatches_' || 'dispatches'::regclass::oid::text
