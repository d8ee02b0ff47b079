-- The version of a stream's last event; 0 when there is none.
-- $1 stream
SELECT coalesce(max(version), 0) FROM events WHERE stream = $1
