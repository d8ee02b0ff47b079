-- Settling: what became of calls, and of the runs that they started.

-- settle_dispatches: write the outcomes of dispatches, under the leases of their partitions, in one statement: each
-- round trip of a settlement delays the lanes that wait for it. A settled dispatch does not change. A
-- dispatch whose run was only resolved does not count as attempted.
-- Inserts the runs that dispatches started, to be watched until they end; a known run does not change.
-- The first scheduled check comes after some seconds: by then most short runs are listed as closed.
-- Makes dispatches due that wait for a workflow started here, in the same commit, also those of other
-- daemons' partitions. A dispatch that is not due before its wait ends becomes due when it ends.
-- Ties the slots of those that are settled to their runs, or frees them for the next ones of their keys.
-- Returns how many waiting or queued dispatches became due.
--
-- p_pauses: seconds until the next attempt, for open and waiting ones. p_bare: whether the closure event omits the
-- result; null: no closure event. p_patience: how long the transaction may idle.
--
-- The state is given as an expression, so that rows are found by their id, target or key, whatever the statistics: see
-- the index dispatches_deferred. The settings make Postgres look up each row by an
-- index. Without them, a plan that it made while the table was small reads the whole table, also when it is large.
create function settle_dispatches(
    p_ids bigint[], p_states text[], p_runs text[], p_errors text[], p_pauses float8[], p_daemon text, p_bare boolean[],
    p_leases text[], p_epochs bigint[], p_patience text
) returns bigint language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
    v_due bigint;
begin
    with held as materialized (
        -- Fails unless all leases are held. Locks in the order of names, to prevent deadlocks.
        select assert_lease(mine.name, p_daemon, mine.epoch, p_patience)
        from (select * from unnest(p_leases, p_epochs) as given (name, epoch) order by name) as mine
    ),
    outcomes as (
        select *
        from unnest(p_ids, p_states, p_runs, p_errors, p_pauses, p_bare)
                 as o (id, state, run_id, error, pause, bare)
    ),
    started as (
        -- Read only if an outcome is that a dispatch waits.
        select d.namespace, d.target
        from outcomes o join dispatches d on d.id = o.id
        where d.starts and o.state in ('done', 'duplicate', 'collision')
    ),
    settled as (
        update dispatches d
        set state           = o.state,
            run_id          = coalesce(o.run_id, d.run_id),
            error           = o.error,
            attempts        = d.attempts + case when o.state = 'open' and o.error is null then 0 else 1 end,
            next_attempt_at = case
                when o.state = 'waiting' and (d.woken or (d.namespace, d.target) in (select namespace, target from started))
                then clock_timestamp()
                when o.state = 'waiting' then least(
                    clock_timestamp() + make_interval(secs => o.pause),
                    coalesce(d.waiting_until, clock_timestamp() + make_interval(secs => d.wait_for))
                )
                else clock_timestamp() + make_interval(secs => coalesce(o.pause, 0))
            end,
            waiting_until   = case
                when o.state = 'waiting'
                then coalesce(d.waiting_until, clock_timestamp() + make_interval(secs => d.wait_for))
                else d.waiting_until
            end,
            woken           = false,
            settled_at      = case when o.state in ('open', 'waiting') then null else clock_timestamp() end,
            daemon          = p_daemon
        from outcomes o
        -- The first condition makes the lease check run even if there is no row to write.
        where (select count(*) from held) >= 0 and d.id = o.id and d.state || '' in ('open', 'waiting')
        returning d.id, d.uid, d.route, d.namespace, d.key, d.target, d.position, d.state, d.slot_key, d.starts,
                  o.run_id, o.bare
    ),
    noted as (
        -- In order, so that two daemons that insert the same runs cannot deadlock.
        insert into runs (run_id, namespace, workflow_id, latest, uid, route, bare, next_look_at)
        select run_id, namespace, target, run_id, uid, route, bare, clock_timestamp() + interval '5 s'
        from settled
        where bare is not null
        order by run_id
        on conflict (run_id) do nothing
    ),
    woken as (
        -- Runs after the rows above are locked, and skips locked rows, so that two daemons that wake each
        -- other's dispatches cannot deadlock. A locked row is being settled; it is retried after its pause.
        update dispatches d
        set next_attempt_at = least(d.next_attempt_at, clock_timestamp()), woken = true
        from (
            select w.id
            from settled s join dispatches w on w.target = s.target and w.namespace = s.namespace
            where s.starts and s.state in ('done', 'duplicate', 'collision')
              and w.state || '' in ('open', 'waiting')
              and w.wait_for is not null
              -- No other dispatch of the same key is in progress beside the start.
              and (w.state = 'waiting' or w.key <> s.key)
              and w.id <> all (p_ids)
            for no key update of w skip locked
        ) as w
        where d.id = w.id
        returning d.id
    ),
    following as (
        -- Dispatches that wait after a waiting one: their wait begins now too, or n of them would wait n times as long.
        update dispatches d
        set waiting_until = clock_timestamp() + make_interval(secs => d.wait_for)
        from settled s
        where s.state = 'waiting'
          and d.target = s.target and d.key = s.key and d.namespace = s.namespace
          and (d.position, d.id) > (s.position, s.id)
          and d.state || '' in ('open', 'waiting') and d.wait_for is not null and d.waiting_until is null
          and d.id <> all (p_ids)
          and d.id not in (select id from woken)
    ),
    ended as (
        select array_agg(id) as ids, array_agg(case when bare is not null then run_id end) as runs
        from settled
        where slot_key is not null and state not in ('open', 'waiting')
    )
    -- The slots last, since they are locked last everywhere.
    select (select count(*) from woken) + coalesce((select settle_slots(ids, runs) from ended where ids is not null), 0)
    into v_due;
    return v_due;
end
$$;

-- settle_runs: write the outcomes of checks of runs. An open run is checked again after a quarter of its age,
-- between 5 seconds and 10 minutes, or after the given pause. A run whose end is known frees its slot.
-- Returns how many dispatches got a slot. p_pauses: in seconds, null: computed from the age.
-- Like settle_dispatches, it looks up each row by an index.
create function settle_runs(
    p_runs text[], p_states text[], p_latest text[], p_reasons text[], p_pauses float8[]
) returns bigint language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
    v_granted bigint;
begin
    with found as (
        select *
        from unnest(p_runs, p_states, p_latest, p_reasons, p_pauses)
                 as f (run_id, state, latest, reason, pause)
    ),
    settled as (
        update runs r
        set state        = found.state,
            latest       = found.latest,
            reason       = found.reason,
            ended_at     = case when found.state = 'open' then null else clock_timestamp() end,
            next_look_at = clock_timestamp() + coalesce(
                make_interval(secs => found.pause),
                least(greatest((clock_timestamp() - r.noted_at) / 4, interval '5 s'), interval '10 min')
            )
        from found
        where r.run_id = found.run_id and r.state || '' = 'open'
        returning r.run_id, r.state
    )
    select coalesce(free_slots_of_runs(array_agg(run_id) filter (where state <> 'open')), 0)
    into v_granted
    from settled;
    return v_granted;
end
$$;
