-- on_server: fail with EV003 unless this server is the one that was started at this moment; NULL
-- asks for none. What a reader concludes from one server's locks holds for that server only, and a
-- pool's connections may end on several. As a condition of a statement it is judged once, first.
CREATE FUNCTION on_server(p_started timestamptz) RETURNS boolean LANGUAGE plpgsql STABLE COST 1 AS $$
BEGIN
    IF p_started <> pg_postmaster_start_time() THEN
        RAISE EXCEPTION 'this database server, started %, is not the one whose locks were read, started %',
            pg_postmaster_start_time(), p_started USING ERRCODE = 'EV003';
    END IF;
    RETURN true;
END
$$;

-- fence_mark: how far positions have been drawn, who may still be writing below that, and on which
-- server it was read. If nobody is writing, also the highest event at or below last, NULL if there is none.
--
-- The first statement reads the sequence; the second, later one, the transactions that hold the
-- lock every INSERT takes before it draws. When all of them have ended, everything at or below
-- last is final. Neither read goes through a snapshot. The third statement has a later snapshot of its own: the
-- function is VOLATILE, and its transaction must be READ COMMITTED. The argument: eventstore/subscription.py.
CREATE FUNCTION fence_mark(
    OUT last bigint, OUT holders text[], OUT server timestamptz, OUT head bigint, OUT head_uid uuid
) LANGUAGE plpgsql VOLATILE
-- Planned by the index, also when the log is small.
SET enable_seqscan = off AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'the fence needs the primary: a standby does not see the writers'' locks'
            USING ERRCODE = 'read_only_sql_transaction';
    END IF;
    SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END INTO last FROM events_position_seq AS s;
    holders := ARRAY(
        SELECT DISTINCT l.virtualtransaction
        FROM pg_locks AS l
        WHERE l.locktype = 'relation'
          AND l.relation = 'events'::regclass
          AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
          AND l.mode = 'RowExclusiveLock'
          AND l.granted
    );
    server := pg_postmaster_start_time();
    IF cardinality(holders) = 0 THEN
        SELECT e.position, e.uid INTO head, head_uid
        FROM events AS e WHERE e.position <= last ORDER BY e.position DESC LIMIT 1;
    END IF;
END
$$;

-- events_channel: the NOTIFY channel of this very table; schemas of one database never share it.
CREATE FUNCTION events_channel() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'eventstore_' || 'events'::regclass::oid::text
$$;

-- event_matches: the one place that says what a filter means. Absent conditions are NULL.
--
-- The planner takes the body in place of the call (one expression, nothing volatile) and drops
-- the absent conditions, provided that it plans for the arguments at hand: what is left is
-- served by an index of 0001 or by one of the operator (ntbridge store index), if there is one.
-- What is indexed by its hash is also compared itself, inside coalesce: the planner would otherwise
-- take the two for independent, expect hardly any row, and sort what it should read in order.
-- p_firsts are the uids that the first event of the chain p_correlation_id may have, one for each
-- source; NULL if they are not known: it is then found by its envelope, which no index serves.
CREATE FUNCTION event_matches(
    e events, p_type text, p_type_prefix text, p_stream text, p_category text, p_source text,
    p_subject text, p_topic text, p_correlation_id text, p_correlation_uid uuid,
    p_causation_id text, p_causation_uid uuid, p_tenant text, p_emitted boolean,
    p_since timestamptz, p_until timestamptz, p_firsts uuid[]
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (p_type IS NULL OR e.type = p_type)
       AND (p_type_prefix IS NULL OR starts_with(e.type, p_type_prefix))
       AND (p_stream IS NULL OR e.stream = p_stream)
       AND (p_category IS NULL OR (
                hashtextextended(split_part(e.stream, '-', 1), 0) = hashtextextended(p_category, 0)
                AND coalesce(split_part(e.stream, '-', 1) = p_category, false)))
       AND (p_source IS NULL OR (
                hashtextextended(e.envelope ->> 'source', 0) = hashtextextended(p_source, 0)
                AND coalesce(e.envelope ->> 'source' = p_source, false)))
       AND (p_subject IS NULL OR (
                hashtextextended(e.envelope ->> 'subject', 0) = hashtextextended(p_subject, 0)
                AND coalesce(e.envelope ->> 'subject' = p_subject, false)))
       AND (p_topic IS NULL OR (
                hashtextextended(e.envelope ->> 'topic', 0) = hashtextextended(p_topic, 0)
                AND coalesce(e.envelope ->> 'topic' = p_topic, false)))
       AND (p_correlation_id IS NULL OR (
                -- Not inside coalesce: it is one arm of two, so that the rows are sorted in any case.
                hashtextextended(e.correlation_id, 0) = hashtextextended(p_correlation_id, 0)
                AND e.correlation_id = p_correlation_id)
            OR (p_firsts IS NOT NULL AND e.uid = ANY (p_firsts) AND e.correlation_id IS NULL)
            OR (p_firsts IS NULL AND e.correlation_id IS NULL AND e.envelope ->> 'id' = p_correlation_id))
       AND (p_correlation_uid IS NULL OR e.correlation_uid = p_correlation_uid
            OR (e.uid = p_correlation_uid AND e.correlation_uid IS NULL))
       AND (p_causation_id IS NULL OR (
                hashtextextended(e.envelope -> 'extensions' ->> 'causationid', 0) = hashtextextended(p_causation_id, 0)
                AND coalesce(e.envelope -> 'extensions' ->> 'causationid' = p_causation_id, false)))
       AND (p_causation_uid IS NULL OR e.causation_uid = p_causation_uid)
       AND (p_tenant IS NULL OR (
                hashtextextended(e.envelope ->> 'tenant', 0) = hashtextextended(p_tenant, 0)
                AND coalesce(e.envelope ->> 'tenant' = p_tenant, false)))
       AND (p_emitted IS NULL OR (p_emitted AND e.emitted) OR NOT (p_emitted OR e.emitted))
       AND (p_since IS NULL OR e.recorded_at >= p_since)
       AND (p_until IS NULL OR e.recorded_at < p_until)
$$;

-- first_at_or_after: the lowest position such that its event was recorded at or after a time, by
-- halving; NULL when the last event was recorded before. Right where times rise with positions.
CREATE FUNCTION first_at_or_after(p_time timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_indexscan = on AS $$
DECLARE
    low    bigint := 1;
    high   bigint;   -- the event here, or the next one after it, is not before the time
    middle bigint;
    probe  record;
BEGIN
    SELECT e.position, e.recorded_at INTO probe FROM events AS e ORDER BY e.position DESC LIMIT 1;
    IF NOT FOUND OR probe.recorded_at < p_time THEN
        RETURN NULL;
    END IF;
    high := probe.position;
    WHILE low < high LOOP
        middle := (low + high) / 2;
        SELECT e.position, e.recorded_at INTO probe
        FROM events AS e WHERE e.position >= middle ORDER BY e.position LIMIT 1;
        IF probe.recorded_at >= p_time THEN
            high := middle;
        ELSE
            low := probe.position + 1;
        END IF;
    END LOOP;
    RETURN high;
END
$$;

-- positions_between: positions (after, through] outside of which no event is in a time range, both
-- 0 if none is; NULL for an open end.
--
-- Times do not rise exactly with positions: concurrent appends, a clock that is set. So what halving
-- found is widened to all events of the range: those beyond either end are few, and found by the
-- index on both columns, which leads to the blocks where both conditions may hold.
CREATE FUNCTION positions_between(
    p_since timestamptz, p_until timestamptz, OUT after bigint, OUT through bigint
) LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan SET enable_seqscan = off
SET enable_indexscan = off SET enable_indexonlyscan = off AS $$
DECLARE
    beyond bigint;
BEGIN
    after := 0;
    through := 9223372036854775807;
    IF p_since IS NOT NULL THEN
        after := first_at_or_after(p_since) - 1;
        -- In an expression: else min would be looked for along the primary key.
        SELECT min(e.position + 0) INTO beyond
        FROM events AS e
        WHERE e.recorded_at >= p_since AND e.recorded_at < coalesce(p_until, 'infinity')
          AND e.position <= coalesce(after, 9223372036854775807);
        after := coalesce(beyond - 1, after);
        IF after IS NULL THEN
            after := 0;
            through := 0;
            RETURN;
        END IF;
    END IF;
    IF p_until IS NOT NULL AND first_at_or_after(p_until) IS NOT NULL THEN
        through := first_at_or_after(p_until) - 1;
        SELECT max(e.position + 0) INTO beyond
        FROM events AS e
        WHERE e.recorded_at >= coalesce(p_since, '-infinity') AND e.recorded_at < p_until
          AND e.position > through;
        through := coalesce(beyond, through);
    END IF;
END
$$;

-- payload_as_jsonb: a payload as jsonb where it is JSON that Postgres can hold, else NULL.
CREATE FUNCTION payload_as_jsonb(p_data bytea, p_content_type text) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF p_data IS NULL OR p_content_type !~* '^(application|text)/(json|[^;\s]+\+json)\s*(;|$)' THEN
        RETURN NULL;
    END IF;
    RETURN convert_from(p_data, 'UTF8')::jsonb;
EXCEPTION WHEN data_exception OR character_not_in_repertoire OR statement_too_complex THEN
    RETURN NULL;
END
$$;

-- text_of: an attribute of JSON that is text, else NULL.
CREATE FUNCTION text_of(p_object json, p_name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN json_typeof(p_object -> p_name) = 'string' THEN p_object ->> p_name END
$$;

-- The log with a column for each attribute. The columns up to removal are those of the files of `events
-- export`, in their order; event is the whole row, for event_matches.
-- The envelope is read once, by json_to_record: each ->> would read it again.
CREATE VIEW event_attributes AS
SELECT e.position, e.uid, e.stream, e.version, e.recorded_at,
       CASE WHEN e.emitted THEN 'emitted' ELSE 'received' END AS origin,
       a.id, a.source, e.type, a.subject, a.time, a.datacontenttype, a.dataschema, e.data,
       text_of(a.extensions, 'traceparent') AS traceparent,
       text_of(a.extensions, 'tracestate') AS tracestate,
       CASE WHEN json_typeof(a.extensions) = 'object' THEN nullif(
           a.extensions::jsonb
           - CASE WHEN text_of(a.extensions, 'traceparent') IS NULL THEN '' ELSE 'traceparent' END
           - CASE WHEN text_of(a.extensions, 'tracestate') IS NULL THEN '' ELSE 'tracestate' END,
           '{}')
       ELSE a.extensions::jsonb END AS extensions,
       a.topic,
       coalesce(e.correlation_id, a.id) AS correlation_id,
       coalesce(e.correlation_uid, e.uid) AS correlation_uid,
       text_of(a.extensions, 'causationid') AS causation_id,
       e.causation_uid, a.tenant,
       coalesce(substring(a.schema_version FROM '^\d{1,18}$')::bigint,
                substring(e.type FROM '\.v(\d{1,9})$')::bigint, 1) AS schema_version,
       e.digest, e.removal, e AS event
FROM events AS e
CROSS JOIN LATERAL json_to_record(e.envelope) AS a (
    id text, source text, subject text, time text, datacontenttype text, dataschema text, extensions json,
    topic text, tenant text, schema_version text);

-- For people and for SQL: the log with its payloads as jsonb.
CREATE VIEW event_documents AS
SELECT position, recorded_at, stream, version, split_part(stream, '-', 1) AS category, uid, origin,
       id, source, type, subject, time, datacontenttype, dataschema,
       payload_as_jsonb(data, datacontenttype) AS data, octet_length(data) AS data_bytes,
       extensions, traceparent, tracestate, topic, correlation_id, correlation_uid,
       causation_id, causation_uid, tenant, schema_version, removal
FROM event_attributes;
