-- Writes what became of dispatches. One that is settled already stays as it is.
-- $1 ids bigint[]   $2 states text[]      $3 run ids text[]   $4 errors text[]
-- $5 seconds until the next attempt float8[], for those that stay open   $6 daemon text
update dispatches d
set state           = o.state,
    run_id          = coalesce(o.run_id, d.run_id),
    error           = o.error,
    attempts        = d.attempts + 1,
    next_attempt_at = clock_timestamp() + make_interval(secs => coalesce(o.pause, 0)),
    settled_at      = case when o.state = 'open' then null else clock_timestamp() end,
    daemon          = $6
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::float8[])
         as o (id, state, run_id, error, pause)
where d.id = o.id and d.state in ('open', 'waiting')
returning d.id
