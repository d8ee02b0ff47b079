-- Notes what became of events of a replay that were not sent.
-- $1 id uuid   $2 text
update replays set problem = $2 where id = $1
