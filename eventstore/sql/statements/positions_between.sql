-- Positions between which a time range lies: (after, through], both 0 when nothing is in it.
-- Read from both ends of the index by time, and never through the range, which may be the whole log.
-- Clock and positions do not run quite in step (appends side by side, a clock that is set): so of the
-- 1,000 first and last in time the outermost count, and 10,000 positions more. These bounds only narrow
-- what is read; which events are in the range is for event_matches to say.
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
