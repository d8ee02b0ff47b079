-- The stored events among these uids, to explain a repeated or conflicting append.
-- $1 uid[]
SELECT uid, stream, version, position, digest FROM events WHERE uid = ANY ($1::uuid[])
