-- The highest event at or below a position; no row when there is none.
-- $1 position; $2 the server (on_server)
SELECT position, uid FROM events WHERE position <= $1 AND on_server($2) ORDER BY position DESC LIMIT 1
