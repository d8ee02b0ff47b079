-- The highest event at or below a position; 0 when there is none.
-- $1 position
SELECT coalesce(max(position), 0) FROM events WHERE position <= $1
