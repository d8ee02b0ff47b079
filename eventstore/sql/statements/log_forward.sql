-- A page of the log, oldest first, ending where its data would exceed a number of bytes.
-- Positions: $1 after this; $2 through this; $3 rows; $4 bytes; $5 the server (on_server), or NULL
-- The bytes are summed first (cheap: no row is copied); the page is cut only if they are too many.
SELECT position, uid, stream, version, timestamptz_send(recorded_at) AS recorded, emitted, type, correlation_id,
       correlation_uid, causation_uid, envelope, data, removal
FROM events
WHERE position > $1 AND position <= CASE
    WHEN $4 > (
        SELECT coalesce(sum(octet_length(data)), 0)
        FROM (SELECT data FROM events WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3) AS page
    ) THEN $2
    ELSE (
        SELECT max(position)
        FROM (
            SELECT position, sum(octet_length(data)) OVER (
                ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
            FROM events
            WHERE position > $1 AND position <= $2
            ORDER BY position
            LIMIT $3
        ) AS page
        WHERE bytes_before IS NULL OR bytes_before < $4
    )
END AND on_server($5)
ORDER BY position
LIMIT $3
