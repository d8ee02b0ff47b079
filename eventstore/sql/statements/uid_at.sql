-- The event at a position: its uid, null if there is none, and whether there was one whose row was deleted.
-- $1 position; $2 the server (on_server)
SELECT (SELECT uid FROM events WHERE position = $1) AS uid, was_deleted($1) AS deleted WHERE on_server($2)
