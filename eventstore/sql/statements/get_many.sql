-- Events by uid, in any order.
-- $1 uid[]
SELECT position, uid, stream, version, recorded_at, emitted, type, correlation_id, correlation_uid, causation_uid,
       envelope, data, removal
FROM events
WHERE uid = ANY ($1::uuid[])
