-- Set what the store relies on, whatever the defaults of server, database or role are.
-- Settings that this server version lacks are skipped. Planner switches that a database or a role
-- has changed are reset to their built-in values. The schema with the store's tables comes first in
-- search_path, so that another schema's table or function of the same name is never used; pg_temp
-- comes last.
-- $1 names (text[]); $2 values (text[])
SELECT count(set_config(wanted.name, wanted.value, false))
FROM (
    SELECT given.name, given.value
    FROM unnest($1::text[], $2::text[]) AS given (name, value)
    WHERE current_setting(given.name, true) IS NOT NULL
    UNION ALL
    SELECT s.name, s.boot_val
    FROM pg_catalog.pg_settings AS s
    WHERE s.name LIKE 'enable\_%' AND s.source IN ('database', 'user', 'database user')
    UNION ALL
    SELECT 'synchronous_commit', 'on' WHERE current_setting('synchronous_commit') = 'off'
    UNION ALL
    SELECT 'search_path', string_agg(quote_ident(path.schema), ', ' ORDER BY path.is_log DESC, path.place) || ', pg_temp'
    FROM (
        SELECT s.schema, s.place, EXISTS (
            SELECT
            FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = s.schema AND c.relname = 'store_incarnation'
        ) AS is_log
        FROM unnest(current_schemas(false)) WITH ORDINALITY AS s (schema, place)
        WHERE s.schema <> 'pg_catalog' AND s.schema NOT LIKE 'pg\_temp%'
    ) AS path
    HAVING count(*) > 0
) AS wanted
