-- The positions of a time range: (after, through], both 0 if it is empty.
-- Reads both ends of the index on time, never the whole range, which may be the whole log.
-- Times and positions are not in exactly the same order (concurrent appends, a clock that is set). So the
-- outermost positions of the first and last 1,000 events by time are taken, and 10,000 positions more.
-- These bounds only narrow what is read; event_matches decides which events are in the range.
-- $1 since; $2 until
SELECT CASE WHEN $1::timestamptz IS NULL OR first IS NULL THEN 0 ELSE greatest(first - 1 - 10000, 0) END AS after,
       CASE WHEN first IS NULL THEN 0 WHEN $2::timestamptz IS NULL THEN 9223372036854775807
            ELSE last + 10000 END AS through
FROM (
    SELECT min(position) AS first
    FROM (
        SELECT position FROM events
        WHERE recorded_at >= coalesce($1::timestamptz, '-infinity') AND recorded_at < coalesce($2::timestamptz, 'infinity')
        ORDER BY recorded_at, position
        LIMIT 1000
    ) AS earliest
) AS lower_end, (
    SELECT max(position) AS last
    FROM (
        SELECT position FROM events
        WHERE recorded_at >= coalesce($1::timestamptz, '-infinity') AND recorded_at < coalesce($2::timestamptz, 'infinity')
        ORDER BY recorded_at DESC, position DESC
        LIMIT 1000
    ) AS latest
) AS upper_end
