-- Replays, the latest first.
-- $1 how many int
select id, selection::text as selection, target::text as target, total, done, state, who, began_at,
       saved_at, finished_at
from replays
order by began_at desc
limit $1
