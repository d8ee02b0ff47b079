-- Writes what became of dispatches, under the leases of their partitions, in one statement: each
-- round trip of a settlement holds up the lanes that wait for it. One that is settled already
-- stays as it is. A dispatch that only had its run resolved has not been attempted.
-- Runs that dispatches started are noted, to be watched until they end; one that is known stays
-- as it is. The first look by itself comes after some seconds: most short runs are listed by then.
-- $1 ids bigint[]   $2 states text[]      $3 run ids text[]   $4 errors text[]
-- $5 seconds until the next attempt float8[], for those that stay open or wait
-- $6 seconds that waiting may last float8[], for those that begin to wait   $7 daemon text
-- $8 whether a result is left out where the run's end is told of boolean[]; null: no run to watch
-- $9 names of the leases text[]   $10 their epochs bigint[]   $11 how long the transaction may idle
with held as materialized (
    -- Fails unless all are; in the order of their names, so that two cannot wait for each other.
    select assert_lease(mine.name, $7, mine.epoch, $11)
    from (select * from unnest($9::text[], $10::bigint[]) as given (name, epoch) order by name) as mine
),
outcomes as (
    select *
    from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $8::boolean[])
             as o (id, state, run_id, error, pause, wait_for, bare)
),
noted as (
    -- In order, so that two daemons that note the same runs cannot deadlock.
    insert into runs (run_id, workflow_id, latest, uid, route, bare, next_look_at)
    select o.run_id, d.target, o.run_id, d.uid, d.route, o.bare, clock_timestamp() + interval '5 s'
    from outcomes o join dispatches d on d.id = o.id
    where o.bare is not null
    order by o.run_id
    on conflict (run_id) do nothing
)
update dispatches d
set state           = o.state,
    run_id          = coalesce(o.run_id, d.run_id),
    error           = o.error,
    attempts        = d.attempts + case when o.state = 'open' and o.error is null then 0 else 1 end,
    next_attempt_at = clock_timestamp() + make_interval(secs => coalesce(o.pause, 0)),
    waiting_until   = coalesce(d.waiting_until, clock_timestamp() + make_interval(secs => o.wait_for)),
    settled_at      = case when o.state in ('open', 'waiting') then null else clock_timestamp() end,
    daemon          = $7
from outcomes o
-- The first condition is what has the leases asserted, whether or not a row is left to write.
where (select count(*) from held) >= 0 and d.id = o.id and d.state in ('open', 'waiting')
