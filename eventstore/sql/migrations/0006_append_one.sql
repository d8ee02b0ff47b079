-- append_one, in fewer steps: append_events for one event that is a whole transaction.
-- outcome and base as there; new_position is that of the event written.
--
-- A uid that another transaction is writing at this moment is a violation of its key: the INSERT
-- has waited for the other to commit, draws a position that stays unused, and fails; the caller
-- asks again, and then it is judged. Hence one transaction of its own, which may fail. The INSERT
-- without ON CONFLICT writes the row once, not tentatively first.
CREATE OR REPLACE FUNCTION append_one(
    p_stream text, p_expected bigint, p_uid uuid, p_origin text, p_id text, p_source text,
    p_type text, p_subject text, p_time text, p_datacontenttype text, p_dataschema text,
    p_data bytea, p_traceparent text, p_tracestate text, p_extensions jsonb, p_digest bytea,
    p_topic text, p_correlation_id text, p_correlation_uid uuid, p_causation_id text,
    p_causation_uid uuid, p_tenant text, p_schema_version integer,
    OUT outcome text, OUT base bigint, OUT new_position bigint
) LANGUAGE plpgsql
-- Plans by the indexes, also when they were made on a small table.
SET enable_seqscan = off AS $$
DECLARE
    locked text;
    known  boolean;
BEGIN
    locked := pg_advisory_xact_lock('events'::regclass::oid::bigint::bit(32)::integer, hashtext(p_stream));
    SELECT coalesce(max(e.version), 0), EXISTS (SELECT FROM events AS k WHERE k.uid = p_uid)
    INTO base, known
    FROM events AS e WHERE e.stream = p_stream;
    IF known THEN
        SELECT j.verdict, j.base INTO outcome, base
        FROM judge_stored(ARRAY[1], ARRAY[1], ARRAY[p_stream], ARRAY[p_uid], ARRAY[p_digest]) AS j;
        RETURN;
    END IF;
    IF p_expected <> base AND NOT (p_expected = -1 AND base > 0) THEN
        outcome := 'w';
        RETURN;
    END IF;
    INSERT INTO events (
        stream, version, uid, origin, id, source, type, subject, time, datacontenttype,
        dataschema, data, traceparent, tracestate, extensions, digest, topic,
        correlation_id, correlation_uid, causation_id, causation_uid, tenant, schema_version)
    VALUES (
        p_stream, base + 1, p_uid, p_origin, p_id, p_source, p_type, p_subject, p_time,
        p_datacontenttype, p_dataschema, p_data, p_traceparent, p_tracestate, p_extensions,
        p_digest, p_topic, p_correlation_id, p_correlation_uid, p_causation_id,
        p_causation_uid, p_tenant, p_schema_version)
    RETURNING position INTO new_position;
    outcome := 'a';
END
$$;
