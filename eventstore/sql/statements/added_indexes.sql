-- The indexes that operators added to events.
-- $1 how their names begin
SELECT c.relname::text AS name,
       coalesce(obj_description(c.oid, 'pg_class'), pg_get_indexdef(c.oid, 1, true)) AS of,
       CASE
           WHEN EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.index_relid = c.oid) THEN 'building'
           WHEN i.indisvalid THEN 'valid'
           ELSE 'invalid'
       END AS state,
       pg_relation_size(c.oid) AS size,
       coalesce(pg_stat_get_numscans(c.oid), 0) AS scans
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = 'events'::regclass AND starts_with(c.relname, $1)
ORDER BY c.relname
