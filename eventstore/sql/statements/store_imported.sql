-- Store the next imported rows, and list their sources: columns for what is indexed, the other attributes
-- in the envelope, as eventstore/rows.py writes it.
-- $1 after this position; $2 through this one
WITH chunk AS MATERIALIZED (
    SELECT * FROM imported_events WHERE position > $1 AND position <= $2
), listed AS (
    INSERT INTO event_sources (source, listed_at)
    SELECT c.source, min(c.recorded_at)
    FROM chunk AS c
    WHERE c.source IS NOT NULL AND NOT EXISTS (
        SELECT FROM event_sources AS s
        WHERE hashtextextended(s.source, 0) = hashtextextended(c.source, 0) AND s.source = c.source
    )
    GROUP BY c.source
), stored AS (
    INSERT INTO events (
        position, version, recorded_at, uid, correlation_uid, causation_uid, emitted, removal,
        stream, type, correlation_id, digest, envelope, data)
    OVERRIDING SYSTEM VALUE
    SELECT position, version, recorded_at, uid, nullif(correlation_uid, uid), causation_uid,
           origin = 'emitted', removal, stream, type, nullif(correlation_id, id), digest,
           -- An erasure may have taken id and source.
           ('{' || ltrim(coalesce(',"id":' || to_json(id), '')
            || coalesce(',"source":' || to_json(source), '')
            || coalesce(',"subject":' || to_json(subject), '')
            || coalesce(',"time":' || to_json(time), '')
            || coalesce(',"datacontenttype":' || to_json(datacontenttype), '')
            || coalesce(',"dataschema":' || to_json(dataschema), '')
            || coalesce(',"extensions":{' || (
                   SELECT string_agg(to_json(key) || ':' || value, ',' ORDER BY key COLLATE "C")
                   FROM (
                       SELECT key, value::text FROM jsonb_each(extensions)
                       UNION ALL SELECT 'traceparent', to_json(traceparent)::text WHERE traceparent IS NOT NULL
                       UNION ALL SELECT 'tracestate', to_json(tracestate)::text WHERE tracestate IS NOT NULL
                   ) AS extension
               ) || '}', '')
            || coalesce(',"topic":' || to_json(topic), '')
            || coalesce(',"tenant":' || to_json(tenant), '')
            || CASE WHEN schema_version = coalesce(substring(type FROM '\.v(\d{1,9})$')::bigint, 1) THEN ''
                    ELSE ',"schema_version":' || schema_version END, ',')
            || '}')::json,
           data
    FROM chunk
    ORDER BY position
    RETURNING position
)
SELECT count(*) FROM stored
