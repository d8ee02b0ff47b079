-- Five roles for the store; may be run again at any time.
--   ntbridge_owner   owns the tables; no login uses it
--   ntbridge_app     appends and reads; cannot write the columns that the database fills in
--                    (position, time of recording), and cannot change a recorded event
--   ntbridge_worker  reads events, for provenance; writes only to the pipelines' tables
--   ntbridge_console appends and reads like ntbridge_app, for what people redrive and replay in a console; takes no
--                    lease but those of replays (bridge/sql/roles.sql)
--   ntbridge_reader  reads
-- Grant them to login roles: GRANT ntbridge_app TO my_daemon.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['ntbridge_owner', 'ntbridge_app', 'ntbridge_worker', 'ntbridge_console',
                                'ntbridge_reader'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- exists, or another database's migration creates it at this moment
        END;
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO ntbridge_owner, ntbridge_app, ntbridge_worker, ntbridge_console, ntbridge_reader',
                   current_schema());
    EXECUTE format('GRANT CREATE ON SCHEMA %I TO ntbridge_owner', current_schema());
END
$$;

ALTER TABLE events OWNER TO ntbridge_owner;
ALTER TABLE event_sources OWNER TO ntbridge_owner;
ALTER TABLE store_incarnation OWNER TO ntbridge_owner;
ALTER TABLE leases OWNER TO ntbridge_owner;
ALTER TABLE checkpoints OWNER TO ntbridge_owner;
ALTER TABLE removals OWNER TO ntbridge_owner;
ALTER TABLE deleted_events OWNER TO ntbridge_owner;
ALTER SEQUENCE lease_epochs OWNER TO ntbridge_owner;
ALTER TYPE event_row OWNER TO ntbridge_owner;
ALTER VIEW event_attributes OWNER TO ntbridge_owner;
ALTER VIEW event_documents OWNER TO ntbridge_owner;

REVOKE ALL
    ON events, event_sources, store_incarnation, leases, checkpoints, event_attributes, event_documents,
       schema_migrations, removals, deleted_events
    FROM ntbridge_app, ntbridge_worker, ntbridge_console, ntbridge_reader;
GRANT SELECT
    ON events, event_sources, store_incarnation, leases, checkpoints, event_attributes, event_documents,
       schema_migrations, removals, deleted_events
    TO ntbridge_app, ntbridge_console, ntbridge_reader;
GRANT SELECT ON events, event_sources, store_incarnation, schema_migrations, deleted_events TO ntbridge_worker;
GRANT SELECT (id, kind) ON removals TO ntbridge_worker;
GRANT SELECT ON SEQUENCE events_position_seq TO ntbridge_app, ntbridge_worker, ntbridge_console, ntbridge_reader;

GRANT INSERT (
    uid, stream, version, emitted, type, correlation_id, correlation_uid, causation_uid, digest, envelope,
    data
) ON events TO ntbridge_app, ntbridge_console;
GRANT INSERT (source) ON event_sources TO ntbridge_app, ntbridge_console;
GRANT INSERT, UPDATE ON leases, checkpoints TO ntbridge_app;
GRANT INSERT, UPDATE ON leases TO ntbridge_console;
GRANT USAGE ON SEQUENCE lease_epochs TO ntbridge_app, ntbridge_console;
