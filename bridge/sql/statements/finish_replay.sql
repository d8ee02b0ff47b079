-- Closes a replay that is complete.
-- $1 id uuid
update replays set state = 'finished', finished_at = clock_timestamp()
where id = $1 and state = 'open'
