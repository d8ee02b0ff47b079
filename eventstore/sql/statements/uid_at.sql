-- The event at a position; no row when there is none.
-- $1 position; $2 the server (on_server)
SELECT uid FROM events WHERE position = $1 AND on_server($2)
