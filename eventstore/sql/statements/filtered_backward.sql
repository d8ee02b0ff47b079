-- A page of the events that pass a filter, newest first. Plan it for its arguments, unless the range is narrow.
-- Positions: $1 after this; $2 through this; $3 rows; $4 bytes; $5–$20 the filter (event_matches); $21 the server (on_server), or NULL
SELECT position, uid, stream, version, timestamptz_send(recorded_at) AS recorded, emitted, type, correlation_id,
       correlation_uid, causation_uid, envelope, data, removal
FROM (
    SELECT *, sum(octet_length(data)) OVER (
        ORDER BY position DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
    FROM events
    WHERE position > $1 AND position <= $2
      AND event_matches(events, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
    ORDER BY position DESC
    LIMIT $3
) AS page
WHERE (bytes_before IS NULL OR bytes_before < $4) AND on_server($21)
ORDER BY position DESC
