-- What the store's three roles need of the bridge's tables; may be run again at any time.
-- The daemon (ntbridge_app) plans, settles and keeps; only history's own table is append-only.
ALTER TABLE deliveries OWNER TO ntbridge_owner;
ALTER TABLE dispatches OWNER TO ntbridge_owner;
ALTER TABLE dead_letters OWNER TO ntbridge_owner;
ALTER TABLE dead_letter_history OWNER TO ntbridge_owner;
ALTER TABLE source_progress OWNER TO ntbridge_owner;
ALTER TABLE removed_messages OWNER TO ntbridge_owner;
ALTER TABLE replays OWNER TO ntbridge_owner;
ALTER TABLE runs OWNER TO ntbridge_owner;
ALTER TABLE emit_identity OWNER TO ntbridge_owner;

REVOKE ALL
    ON deliveries, dispatches, dead_letters, dead_letter_history, source_progress,
       removed_messages, replays, runs
    FROM ntbridge_app, ntbridge_reader;
GRANT SELECT
    ON deliveries, dispatches, dead_letters, dead_letter_history, source_progress,
       removed_messages, replays, runs
    TO ntbridge_app, ntbridge_reader;
GRANT INSERT, UPDATE
    ON deliveries, dispatches, dead_letters, source_progress, removed_messages, replays, runs
    TO ntbridge_app;
-- Retention removes what is settled and old.
GRANT DELETE ON deliveries, dispatches, runs TO ntbridge_app;
GRANT INSERT ON dead_letter_history TO ntbridge_app;

-- A secret: only the daemon makes the ids of emitted events.
REVOKE ALL ON emit_identity FROM ntbridge_app, ntbridge_reader;
GRANT SELECT ON emit_identity TO ntbridge_app;
