-- The version a stream had when the log was at a position; 0 when the stream had no event then.
-- Positions grow with versions, so a binary search over the versions finds it.
-- $1 stream; $2 position; $3 the server (on_server), or NULL
WITH RECURSIVE search (low, high) AS (
    SELECT 0::bigint, coalesce(max(version), 0) FROM events WHERE stream = $1
    UNION ALL
    SELECT CASE WHEN e.position <= $2 THEN half.middle ELSE half.low END,
           CASE WHEN e.position <= $2 THEN half.high ELSE half.middle - 1 END
    FROM (SELECT low, high, (low + high + 1) / 2 AS middle FROM search WHERE low < high) AS half
    JOIN events AS e ON e.stream = $1 AND e.version = half.middle
)
SELECT low FROM search WHERE low = high AND on_server($3)
