-- Let the server end this session, and with it its locks, when the client is silent.
-- $1 how long, as Postgres writes durations
SELECT set_config('idle_session_timeout', $1, false)
