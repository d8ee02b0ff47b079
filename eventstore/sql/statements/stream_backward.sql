-- A page of one stream, newest first.
-- Versions: $1 after this; $2 through this; $3 rows; $4 bytes; $5 stream; $6 the server (on_server), or NULL
SELECT position, uid, stream, version, timestamptz_send(recorded_at) AS recorded, emitted, type, correlation_id,
       correlation_uid, causation_uid, envelope, data, removal
FROM (
    SELECT *, sum(octet_length(data)) OVER (
        ORDER BY version DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
    FROM events
    WHERE stream = $5 AND version > $1 AND version <= $2
    ORDER BY version DESC
    LIMIT $3
) AS page
WHERE (bytes_before IS NULL OR bytes_before < $4) AND on_server($6)
ORDER BY version DESC
