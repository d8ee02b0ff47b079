-- As export.sql, with the columns of files that early releases wrote. The driver inserts the arguments into the text.
-- $1 after this position; $2 through this one; $3–$18 the filter (event_matches)
SELECT position, uid, stream, version, recorded_at, origin, id, source, type, subject, time,
       datacontenttype, dataschema, data, traceparent, tracestate, extensions, topic,
       correlation_id, correlation_uid, causation_id, causation_uid, tenant, schema_version, digest
FROM event_attributes
WHERE position > $1::bigint AND position <= $2::bigint
  AND event_matches(event, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::text,
                    $10::text, $11::uuid, $12::text, $13::uuid, $14::text, $15::boolean,
                    $16::timestamptz, $17::timestamptz, $18::uuid[])
ORDER BY position
