-- Events by uid, in any order.
-- $1 uid[]
SELECT position, uid, stream, version, timestamptz_send(recorded_at) AS recorded, emitted, type, correlation_id,
       correlation_uid, causation_uid, envelope, data, removal
FROM events
WHERE uid = ANY ($1::uuid[])
