-- Which of these uids are stored, and how: for the answer to a repeated or conflicting append.
-- $1 uid[]
SELECT uid, stream, version, position, digest FROM events WHERE uid = ANY ($1::uuid[])
