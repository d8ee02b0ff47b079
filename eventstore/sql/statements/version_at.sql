-- The version a stream had when the log was at a position; 0 when the stream had no event then, or none
-- whose row is left. Positions grow with versions, so a binary search over the versions finds it; where rows
-- were deleted, a probe takes the next version that is left.
-- $1 stream; $2 position; $3 the server (on_server), or NULL
WITH RECURSIVE search (low, high) AS (
    SELECT 0::bigint, coalesce(max(version), 0) FROM events WHERE stream = $1
    UNION ALL
    SELECT CASE WHEN probe.position <= $2 THEN probe.version ELSE half.low END,
           CASE WHEN probe.position <= $2 THEN half.high ELSE half.middle - 1 END
    FROM (SELECT low, high, (low + high + 1) / 2 AS middle FROM search WHERE low < high) AS half
    LEFT JOIN LATERAL (
        SELECT e.position, e.version FROM events AS e
        WHERE e.stream = $1 AND e.version BETWEEN half.middle AND half.high
        ORDER BY e.version LIMIT 1
    ) AS probe ON true
)
SELECT low FROM search WHERE low = high AND on_server($3)
