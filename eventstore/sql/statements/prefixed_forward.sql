-- A page of the types with a prefix, oldest first. Plan it for its arguments, unless the range is narrow.
-- Positions: $1 after this; $2 through this; $3 rows; $4 bytes; $5–$20 the filter (event_matches), of which $6 is the prefix;
-- $21 the server (on_server), or NULL.
-- Finds the types with the prefix by skipping through their index, takes the next positions of
-- each, and fetches only the rows of the lowest positions.
WITH RECURSIVE hops (type) AS (
    (SELECT type FROM events WHERE type >= $6 ORDER BY type LIMIT 1)
    UNION ALL
    SELECT (SELECT e.type FROM events AS e WHERE e.type > hops.type ORDER BY e.type LIMIT 1)
    FROM hops
    WHERE starts_with(hops.type, $6)
), chosen AS (
    SELECT candidate.position
    FROM hops
    CROSS JOIN LATERAL (
        SELECT events.position
        FROM events
        WHERE type = hops.type AND position > $1 AND position <= $2
          AND event_matches(events, $5, NULL, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
        ORDER BY position
        LIMIT $3
    ) AS candidate
    WHERE starts_with(hops.type, $6)
    ORDER BY position
    LIMIT $3
)
SELECT position, uid, stream, version, timestamptz_send(recorded_at) AS recorded, emitted, type, correlation_id,
       correlation_uid, causation_uid, envelope, data, removal
FROM (
    SELECT e.*, sum(octet_length(e.data)) OVER (
        ORDER BY e.position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
    FROM chosen
    JOIN events AS e USING (position)
) AS page
WHERE (bytes_before IS NULL OR bytes_before < $4) AND on_server($21)
ORDER BY position
