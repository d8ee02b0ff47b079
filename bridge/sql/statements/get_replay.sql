-- One replay.
-- $1 id uuid
select id, selection::text as selection, target::text as target, incarnation, through, total,
       position, sequence, done, tally::text as tally, state, who, runner, rate
from replays
where id = $1
