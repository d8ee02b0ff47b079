-- Events by uid, in any order.
-- $1 uid[]
SELECT position, uid, stream, version, recorded_at, origin, id, source, type, subject, time,
       datacontenttype, dataschema, data, traceparent, tracestate, extensions, topic,
       correlation_id, correlation_uid, causation_id, causation_uid, tenant, schema_version
FROM events
WHERE uid = ANY ($1::uuid[])
