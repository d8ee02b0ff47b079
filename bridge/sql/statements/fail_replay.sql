-- Stops a replay that cannot go on, with the reason.
-- $1 id uuid   $2 reason text
update replays set state = 'stopped', problem = $2 where id = $1 and state = 'open'
