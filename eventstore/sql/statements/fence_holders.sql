-- The programs and processes of virtual transactions, for operators.
-- $1 virtual transactions (text[])
SELECT l.virtualtransaction AS holder, l.pid, a.application_name, a.client_addr::text AS client,
       a.state, a.query, extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds
FROM pg_locks AS l
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.relation = 'events'::regclass
  AND l.mode = 'RowExclusiveLock' AND l.virtualtransaction = ANY ($1::text[])
ORDER BY seconds DESC NULLS FIRST
