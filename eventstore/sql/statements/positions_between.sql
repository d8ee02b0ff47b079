-- The positions that a time range spans: (after, through], both 0 when nothing is in it.
-- Clock and positions do not run quite in step, so the range is walked by its own index.
-- $1 since; $2 until
WITH recorded AS MATERIALIZED (
    SELECT position FROM events
    WHERE recorded_at >= coalesce($1::timestamptz, '-infinity') AND recorded_at < coalesce($2::timestamptz, 'infinity')
)
SELECT coalesce(min(position) - 1, 0) AS after, coalesce(max(position), 0) AS through FROM recorded
