-- The positions of events whose rows were deleted, exactly: so that a position without a row is known to
-- have had one, and a reader whose checkpoint it is continues after it. Rows stay for ever.
CREATE TABLE deleted_events (
    removal    bigint NOT NULL REFERENCES removals,
    first      bigint NOT NULL CHECK (first > 0),
    last       bigint NOT NULL CHECK (last >= first),
    positions  int8multirange NOT NULL,
    PRIMARY KEY (removal, first)
);
CREATE INDEX deleted_events_range_idx ON deleted_events USING gist (int8range(first, last, '[]'));

CREATE TRIGGER deleted_events_are_an_audit BEFORE UPDATE OR DELETE ON deleted_events
    FOR EACH ROW EXECUTE FUNCTION removals_are_an_audit();
CREATE TRIGGER deleted_events_are_not_truncated BEFORE TRUNCATE ON deleted_events
    FOR EACH STATEMENT EXECUTE FUNCTION removals_are_an_audit();
ALTER TABLE deleted_events ENABLE ALWAYS TRIGGER deleted_events_are_an_audit;
ALTER TABLE deleted_events ENABLE ALWAYS TRIGGER deleted_events_are_not_truncated;

-- was_deleted: whether the event at a position had a row that was deleted.
CREATE FUNCTION was_deleted(p_position bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM deleted_events AS d
        WHERE int8range(d.first, d.last, '[]') @> p_position AND d.positions @> p_position
    )
$$;

-- A row is deleted only by delete_events: when its body was removed and that removal is finished, when its
-- position is written down, and when its stream has a later event, so that versions count on.
CREATE FUNCTION only_tombstones_are_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM removals AS r WHERE r.id = OLD.removal AND r.finished_at IS NOT NULL)
       AND EXISTS (SELECT FROM removals AS r
                   WHERE r.id = current_setting('eventstore.removal')::bigint
                     AND r.kind = 'deleted' AND r.finished_at IS NULL)
       AND EXISTS (SELECT FROM events AS e WHERE e.stream = OLD.stream AND e.version > OLD.version)
       AND was_deleted(OLD.position) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'recorded events are immutable: the row of event % may not be deleted', OLD.uid
        USING ERRCODE = 'EV001', HINT = 'Only rows without a body are deleted, and never the last of a stream.';
END
$$;
CREATE TRIGGER only_tombstones_are_deleted BEFORE DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION only_tombstones_are_deleted();
ALTER TABLE events ENABLE ALWAYS TRIGGER only_tombstones_are_deleted;

-- delete_events: delete the rows of some events, in the order given, until the time is over; returns how
-- many were looked at, and how many were deleted now. One without a body stays if it is the last of its
-- stream, or if its removal is not finished.
--
-- As remove_bodies: a transaction of its own, of p_milliseconds and a step, whose commit does not wait for
-- the disk. What it deletes and what it writes down is one commit, so a crash loses both or none.
CREATE FUNCTION delete_events(
    p_removal bigint, p_positions bigint[], p_milliseconds integer, OUT looked integer, OUT deleted integer
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    began  CONSTANT timestamptz := clock_timestamp();
    step   CONSTANT integer := 50;
    picked bigint[];
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM set_config('eventstore.removal', p_removal::text, true);
    looked := 0;
    deleted := 0;
    WHILE looked < cardinality(p_positions) LOOP
        SELECT array_agg(e.position) INTO picked
        FROM events AS e
        JOIN removals AS r ON r.id = e.removal
        WHERE e.position = ANY (p_positions[looked + 1 : looked + step]) AND r.finished_at IS NOT NULL
          AND EXISTS (SELECT FROM events AS l WHERE l.stream = e.stream AND l.version > e.version);
        looked := least(looked + step, cardinality(p_positions));
        IF picked IS NOT NULL THEN
            INSERT INTO deleted_events (removal, first, last, positions)
            SELECT p_removal, min(p), max(p), range_agg(int8range(p, p, '[]')) FROM unnest(picked) AS p;
            DELETE FROM events WHERE position = ANY (picked);
            deleted := deleted + cardinality(picked);
        END IF;
        EXIT WHEN clock_timestamp() > began + make_interval(secs => p_milliseconds / 1000.0);
    END LOOP;
    PERFORM set_config('eventstore.removal', '', true);
END
$$;
