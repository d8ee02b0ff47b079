-- What took the bodies of events out of the log, or their rows: who, when and why. Rows stay for ever.
--
-- pruned: by age; an archive may have the bodies. erased: for a person; nothing has them. deleted: rows
-- whose bodies had been removed (deleted_events).
-- A removal that was interrupted goes on where it stopped: everything of it at or below position is done.
CREATE TABLE removals (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('pruned', 'erased', 'deleted')),
    selection    jsonb NOT NULL,
    who          text NOT NULL CHECK (who <> ''),
    why          text NOT NULL CHECK (why <> ''),
    incarnation  uuid NOT NULL,
    through      bigint NOT NULL CHECK (through >= 0),
    position     bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
    events       bigint NOT NULL DEFAULT 0 CHECK (events >= 0),
    archive      text,
    remarks      jsonb NOT NULL DEFAULT '[]',
    began_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz
);
COMMENT ON COLUMN removals.selection IS 'which events; of a person only a digest';
COMMENT ON COLUMN removals.archive IS 'the URL under which the bodies are; null: they were not archived';
COMMENT ON COLUMN removals.remarks IS 'what could not be reached, and where copies may be';

CREATE FUNCTION removals_are_an_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.finished_at IS NULL
       AND (NEW.id, NEW.kind, NEW.selection, NEW.who, NEW.why, NEW.incarnation, NEW.through, NEW.began_at)
         = (OLD.id, OLD.kind, OLD.selection, OLD.who, OLD.why, OLD.incarnation, OLD.through, OLD.began_at) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'removals are an audit: % refused', TG_OP USING ERRCODE = 'EV001';
END
$$;
CREATE TRIGGER removals_are_an_audit BEFORE UPDATE OR DELETE ON removals
    FOR EACH ROW EXECUTE FUNCTION removals_are_an_audit();
CREATE TRIGGER removals_are_not_truncated BEFORE TRUNCATE ON removals
    FOR EACH STATEMENT EXECUTE FUNCTION removals_are_an_audit();
ALTER TABLE removals ENABLE ALWAYS TRIGGER removals_are_an_audit;
ALTER TABLE removals ENABLE ALWAYS TRIGGER removals_are_not_truncated;

-- left_of: an envelope without the attributes that go. An extension attribute goes by its name too.
-- p_keep: the names that may stay; NULL: all. p_drop: names that go in any case.
CREATE FUNCTION left_of(p_envelope json, p_keep text[], p_drop text[]) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(json_object_agg(
        a.key,
        CASE WHEN a.key = 'extensions' AND json_typeof(a.value) = 'object' THEN (
            SELECT coalesce(json_object_agg(x.key, x.value), '{}')
            FROM json_each(a.value) AS x
            WHERE (p_keep IS NULL OR x.key = ANY (p_keep)) AND x.key <> ALL (p_drop)
        ) ELSE a.value END
    ), '{}')
    FROM json_each(p_envelope) AS a
    WHERE (a.key = 'extensions' AND json_typeof(a.value) = 'object')
       OR ((p_keep IS NULL OR a.key = ANY (p_keep)) AND a.key <> ALL (p_drop))
$$;

-- Recorded events never change, with two exceptions, called by the owner of the table: remove_bodies and
-- delete_events. What they may do is checked for each row, so that a call of them can do nothing else.
CREATE OR REPLACE FUNCTION events_are_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('UPDATE', 'DELETE') AND coalesce(current_setting('eventstore.removal', true), '') <> ''
       AND pg_has_role(current_user, (SELECT c.relowner FROM pg_class AS c WHERE c.oid = TG_RELID), 'USAGE') THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'recorded events are immutable: % on % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'EV001', HINT = 'Append an event that corrects the earlier one.';
END
$$;

CREATE FUNCTION only_bodies_are_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.removal IS NOT NULL AND NEW.data IS NULL
       AND (NEW.position, NEW.version, NEW.recorded_at, NEW.uid, NEW.emitted, NEW.stream, NEW.type, NEW.digest)
         = (OLD.position, OLD.version, OLD.recorded_at, OLD.uid, OLD.emitted, OLD.stream, OLD.type, OLD.digest)
       AND (NEW.correlation_uid, NEW.causation_uid, NEW.correlation_id)
           IS NOT DISTINCT FROM (OLD.correlation_uid, OLD.causation_uid, OLD.correlation_id)
       AND EXISTS (SELECT FROM removals AS r
                   WHERE r.id = NEW.removal AND r.kind <> 'deleted' AND r.finished_at IS NULL)
       -- What is in the new envelope was in the old one, with the same values.
       AND NEW.envelope::text = left_of(
           OLD.envelope,
           ARRAY(SELECT json_object_keys(NEW.envelope))
           || ARRAY(SELECT json_object_keys(CASE json_typeof(NEW.envelope -> 'extensions')
                                            WHEN 'object' THEN NEW.envelope -> 'extensions' ELSE '{}' END)),
           '{}'
       )::text THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'recorded events are immutable: only a removal may take the body of event %', OLD.uid
        USING ERRCODE = 'EV001', HINT = 'Append an event that corrects the earlier one.';
END
$$;
CREATE TRIGGER only_bodies_are_removed BEFORE UPDATE ON events
    FOR EACH ROW EXECUTE FUNCTION only_bodies_are_removed();
ALTER TABLE events ENABLE ALWAYS TRIGGER only_bodies_are_removed;

-- remove_bodies: take the bodies of some events, in the order given, until the time is over; returns
-- how many were looked at, and the positions of those removed now.
--
-- An UPDATE holds the lock for which the readers' fence waits, until its transaction ends. So one call is
-- one transaction of p_milliseconds and a row, and the commit does not wait for the disk: a server that
-- crashes may bring the last bodies back, and the removal, which notes its progress in a later,
-- synchronous commit, takes them again. Never call it within a longer transaction.
--
-- An event is passed over if its digest is not the expected one, or if a removal had it before; an
-- erasure also takes what is left of an event that was pruned.
CREATE FUNCTION remove_bodies(
    p_removal bigint, p_positions bigint[], p_digests bytea[], p_keep text[], p_drop text[],
    p_milliseconds integer, OUT looked integer, OUT removed bigint[]
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    began    CONSTANT timestamptz := clock_timestamp();
    the_kind CONSTANT text := (SELECT r.kind FROM removals AS r WHERE r.id = p_removal);
    found_at bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM set_config('eventstore.removal', p_removal::text, true);
    looked := 0;
    removed := '{}';
    FOR number IN 1 .. cardinality(p_positions) LOOP
        looked := number;
        UPDATE events AS e
        SET data = NULL, envelope = left_of(e.envelope, p_keep, p_drop), removal = p_removal
        WHERE e.position = p_positions[number]
          AND e.digest = p_digests[number]
          AND (e.removal IS NULL
               OR (the_kind = 'erased'
                   AND (SELECT r.kind FROM removals AS r WHERE r.id = e.removal) = 'pruned'))
        RETURNING e.position INTO found_at;
        IF FOUND THEN
            removed := removed || found_at;
        END IF;
        EXIT WHEN clock_timestamp() > began + make_interval(secs => p_milliseconds / 1000.0);
    END LOOP;
    PERFORM set_config('eventstore.removal', '', true);
END
$$;
