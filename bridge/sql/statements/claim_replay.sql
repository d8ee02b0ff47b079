-- Notes that a run of a replay begins; returns its state before, or no row if it must not run.
-- $1 id uuid   $2 runner text   $3 most events a second double precision, null leaves it
-- $4 whether a replay that is not open is opened again boolean
with before as (
    select id, state from replays where id = $1 and (state = 'open' or $4) for update
)
update replays r
set state = 'open', finished_at = null, runner = $2, rate = coalesce($3, r.rate), problem = null, run_at = clock_timestamp(),
    done_before = r.done
from before where r.id = before.id
returning before.state
