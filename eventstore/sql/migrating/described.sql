-- The table schema_migrations in the schema of the migrations, and whether it is this program's; no
-- row if there is none.
SELECT found.schema, found.columns,
       found.kind IN ('r', 'p') AND found.columns @> ARRAY['component', 'number', 'name', 'digest', 'applied_at'] AS is_ours
FROM (
    SELECT n.nspname::text AS schema, c.relkind::text AS kind,
           ARRAY(
               SELECT a.attname::text
               FROM pg_catalog.pg_attribute AS a
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               ORDER BY a.attnum
           ) AS columns
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relname = 'schema_migrations'
) AS found
