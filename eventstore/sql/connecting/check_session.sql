-- The properties of a session after it was set, for the checks before its first use.
-- $1 names of settings (text[]); $2 the values they must have (text[]), in the server's units
SELECT pg_is_in_recovery() AS in_recovery,
       current_setting('default_transaction_read_only') = 'on' AS read_only,
       current_setting('server_encoding') AS server_encoding,
       current_setting('session_replication_role') AS replication_role,
       current_schema() AS schema,
       pg_backend_pid() AS backend,
       pg_postmaster_start_time() AS started,
       ARRAY(
           SELECT s.name
           FROM unnest($1::text[], $2::text[]) AS wanted (name, value)
           JOIN pg_catalog.pg_settings AS s ON s.name = wanted.name
           WHERE s.setting <> wanted.value
       ) AS other
