-- Writes what became of dispatches. One that is settled already stays as it is. A dispatch
-- that only had its run resolved has not been attempted.
-- $1 ids bigint[]   $2 states text[]      $3 run ids text[]   $4 errors text[]
-- $5 seconds until the next attempt float8[], for those that stay open or wait
-- $6 seconds that waiting may last float8[], for those that begin to wait   $7 daemon text
update dispatches d
set state           = o.state,
    run_id          = coalesce(o.run_id, d.run_id),
    error           = o.error,
    attempts        = d.attempts + case when o.state = 'open' and o.error is null then 0 else 1 end,
    next_attempt_at = clock_timestamp() + make_interval(secs => coalesce(o.pause, 0)),
    waiting_until   = coalesce(d.waiting_until, clock_timestamp() + make_interval(secs => o.wait_for)),
    settled_at      = case when o.state in ('open', 'waiting') then null else clock_timestamp() end,
    daemon          = $7
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[])
         as o (id, state, run_id, error, pause, wait_for)
where d.id = o.id and d.state in ('open', 'waiting')
