-- The replays that can be resumed, latest first.
-- $1 how many int
select id, selection::text as selection, target::text as target, incarnation, through, total,
       position, sequence, done, tally::text as tally, state, who, runner, rate
from replays
where state = 'open'
order by began_at desc
limit $1
