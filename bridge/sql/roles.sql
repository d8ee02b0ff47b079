-- Privileges of the store's roles on the bridge's tables; may be run again at any time.
-- The daemon (ntbridge_app) plans, settles and deletes old rows; workers have no access. A console
-- (ntbridge_console) plans what people redrive and replay, closes dead letters, and pauses.
ALTER TABLE deliveries OWNER TO ntbridge_owner;
ALTER TABLE dispatches OWNER TO ntbridge_owner;
ALTER TABLE dead_letters OWNER TO ntbridge_owner;
ALTER TABLE dead_letter_history OWNER TO ntbridge_owner;
ALTER TABLE source_progress OWNER TO ntbridge_owner;
ALTER TABLE removed_messages OWNER TO ntbridge_owner;
ALTER TABLE counted_messages OWNER TO ntbridge_owner;
ALTER TABLE counted_ranges OWNER TO ntbridge_owner;
ALTER TABLE replays OWNER TO ntbridge_owner;
ALTER TABLE runs OWNER TO ntbridge_owner;
ALTER TABLE slots OWNER TO ntbridge_owner;
ALTER TABLE slot_locks OWNER TO ntbridge_owner;
ALTER TABLE emit_identity OWNER TO ntbridge_owner;
ALTER TABLE audit OWNER TO ntbridge_owner;
ALTER TABLE pauses OWNER TO ntbridge_owner;
ALTER TABLE archive_parts OWNER TO ntbridge_owner;
ALTER TABLE windows OWNER TO ntbridge_owner;
ALTER TYPE planned_dispatch OWNER TO ntbridge_owner;

REVOKE ALL
    ON deliveries, dispatches, dead_letters, dead_letter_history, source_progress,
       removed_messages, counted_messages, counted_ranges, replays, runs, audit,
       pauses, archive_parts, windows, slots, slot_locks
    FROM ntbridge_app, ntbridge_worker, ntbridge_console, ntbridge_reader;
GRANT SELECT
    ON deliveries, dispatches, dead_letters, dead_letter_history, source_progress,
       removed_messages, counted_messages, counted_ranges, replays, runs, audit,
       pauses, archive_parts, windows, slots, slot_locks
    TO ntbridge_app, ntbridge_console, ntbridge_reader;
GRANT INSERT
    ON deliveries, dispatches, dead_letters, source_progress, removed_messages, counted_messages,
       counted_ranges, replays, runs
    TO ntbridge_app;
GRANT INSERT ON deliveries, dispatches, dead_letters, replays TO ntbridge_console;
-- Plans and the content of dead letters cannot be changed.
GRANT UPDATE (verdict, uid) ON deliveries TO ntbridge_app, ntbridge_console;
GRANT UPDATE (
    state, run_id, error, attempts, next_attempt_at, waiting_until, woken, queued_at, ready_at, settled_at, daemon,
    window_id, into_id, member_ids
) ON dispatches TO ntbridge_app;
GRANT UPDATE (state, closed_at, uid, notified_at) ON dead_letters TO ntbridge_app;
GRANT UPDATE (state, closed_at, uid) ON dead_letters TO ntbridge_console;
GRANT UPDATE (state, latest, reason, ended_at, next_look_at) ON runs TO ntbridge_app;
GRANT UPDATE (messages, first, through, counted_at) ON counted_messages TO ntbridge_app;
GRANT UPDATE (through, through_ns) ON counted_ranges TO ntbridge_app;
GRANT UPDATE ON source_progress, removed_messages, replays TO ntbridge_app;
-- What a replay is cannot be changed, only how far it is and who runs it.
GRANT UPDATE (
    position, sequence, done, tally, epoch, state, runner, rate, problem, run_at, done_before, saved_at, finished_at
) ON replays TO ntbridge_console;
GRANT INSERT, UPDATE, DELETE ON windows TO ntbridge_app;
-- Retention deletes old settled rows.
GRANT DELETE ON deliveries, dispatches, runs TO ntbridge_app;
GRANT INSERT, UPDATE, DELETE ON slots TO ntbridge_app;
-- To lock a row needs the right to update it.
GRANT UPDATE ON slot_locks TO ntbridge_app;
GRANT INSERT ON dead_letter_history, audit TO ntbridge_app, ntbridge_console;
GRANT INSERT, DELETE ON pauses TO ntbridge_app, ntbridge_console;

-- A secret: only the daemon derives ids of emitted events.
REVOKE ALL ON emit_identity FROM ntbridge_app, ntbridge_worker, ntbridge_console, ntbridge_reader;
GRANT SELECT ON emit_identity TO ntbridge_app;

-- A console runs replays under their leases, and takes no lease of a daemon. Not by row security: the store's
-- sessions refuse a table that has it, because it may hide rows.
CREATE OR REPLACE FUNCTION console_takes_leases_of_replays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_has_role(current_user, 'ntbridge_console', 'usage')
        AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    THEN
        RAISE EXCEPTION 'permission denied: a console takes no lease but those of replays, not %', new.name
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN new;
END
$$;
DROP TRIGGER IF EXISTS console_takes_leases_of_replays ON leases;
CREATE TRIGGER console_takes_leases_of_replays BEFORE INSERT OR UPDATE ON leases
    FOR EACH ROW WHEN (NOT starts_with(new.name, 'replay/'))
    EXECUTE FUNCTION console_takes_leases_of_replays();
