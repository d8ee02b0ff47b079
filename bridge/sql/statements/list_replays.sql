-- Replays, the latest first.
-- $1 how many int   $2 id uuid, or null for all
select id, selection::text as selection, target::text as target, total, done, tally::text as tally, state,
       runner, rate as max_rate, problem, who, began_at, run_at, done_before, saved_at, finished_at
from replays
where $2::uuid is null or id = $2
order by began_at desc
limit $1
