-- event_matches: the one place that says what a filter means. Absent conditions are NULL.
--
-- The planner takes the body in place of the call (one expression, nothing volatile) and drops
-- the absent conditions, provided that it plans for the arguments at hand: what is left is
-- served by the indexes of 0001. An attribute that is indexed by its
-- hash is also compared itself, inside coalesce: the planner would otherwise take the two for
-- independent, expect hardly any row, and sort what it should read in order.
CREATE FUNCTION event_matches(
    e events, p_type text, p_type_prefix text, p_stream text, p_category text, p_source text,
    p_subject text, p_topic text, p_correlation_id text, p_correlation_uid uuid,
    p_causation_id text, p_causation_uid uuid, p_tenant text, p_origin text,
    p_since timestamptz, p_until timestamptz
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (p_type IS NULL OR e.type = p_type)
       AND (p_type_prefix IS NULL OR starts_with(e.type, p_type_prefix))
       AND (p_stream IS NULL OR e.stream = p_stream)
       AND (p_category IS NULL OR (
                hashtextextended(split_part(e.stream, '-', 1), 0) = hashtextextended(p_category, 0)
                AND coalesce(split_part(e.stream, '-', 1) = p_category, false)))
       AND (p_source IS NULL OR (
                hashtextextended(e.source, 0) = hashtextextended(p_source, 0) AND coalesce(e.source = p_source, false)))
       AND (p_subject IS NULL OR (
                hashtextextended(e.subject, 0) = hashtextextended(p_subject, 0) AND coalesce(e.subject = p_subject, false)))
       AND (p_topic IS NULL OR (
                hashtextextended(e.topic, 0) = hashtextextended(p_topic, 0) AND coalesce(e.topic = p_topic, false)))
       AND (p_correlation_id IS NULL OR (
                hashtextextended(e.correlation_id, 0) = hashtextextended(p_correlation_id, 0)
                AND coalesce(e.correlation_id = p_correlation_id, false)))
       AND (p_correlation_uid IS NULL
                OR (e.correlation_uid = p_correlation_uid AND e.correlation_uid <> e.uid)
                OR (e.uid = p_correlation_uid AND e.correlation_uid = p_correlation_uid))
       AND (p_causation_id IS NULL OR (
                hashtextextended(e.causation_id, 0) = hashtextextended(p_causation_id, 0)
                AND coalesce(e.causation_id = p_causation_id, false)))
       AND (p_causation_uid IS NULL OR e.causation_uid = p_causation_uid)
       AND (p_tenant IS NULL OR (
                hashtextextended(e.tenant, 0) = hashtextextended(p_tenant, 0) AND coalesce(e.tenant = p_tenant, false)))
       AND (p_origin IS NULL OR e.origin = p_origin)
       AND (p_since IS NULL OR e.recorded_at >= p_since)
       AND (p_until IS NULL OR e.recorded_at < p_until)
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

-- For people and for SQL: the log with its payloads as jsonb.
CREATE VIEW event_documents AS
SELECT position, recorded_at, stream, version, split_part(stream, '-', 1) AS category, uid, origin,
       id, source, type, subject, time, datacontenttype, dataschema,
       payload_as_jsonb(data, datacontenttype) AS data, octet_length(data) AS data_bytes,
       extensions, traceparent, tracestate, topic, correlation_id, correlation_uid,
       causation_id, causation_uid, tenant, schema_version
FROM events;
