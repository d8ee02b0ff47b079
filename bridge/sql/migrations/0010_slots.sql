-- Slots: how many runs of a key a route may have at a time (concurrency in the routes file).
--
-- A dispatch that needs a slot is inserted as queued. The commit that inserts it then grants it a slot, leaves it
-- in the queue, or settles it as skipped. A slot is held from then until the dispatch is settled without a run of
-- its own, or until the end of its run is known. The commit that frees a slot grants it to the first of the queue.
--
-- All who grant or free slots of a key first lock it (lock_slots), as the last locks that their transaction
-- takes, and read only then: each statement of a volatile function sees what was committed before it began.
create table slots (
    dispatch     bigint      primary key,
    namespace    text        not null,
    route        text        not null,
    slot_key     text        not null,
    run_id       text,
    granted_at   timestamptz not null default clock_timestamp(),
    cancel_for   bigint,
    cancel_at    timestamptz,
    cancelled_at timestamptz,
    cancel_error text,
    check ((cancel_for is null) = (cancel_at is null))
);
comment on column slots.dispatch is 'the dispatch that holds the slot';
comment on column slots.run_id is 'the run for whose end the slot waits; null: the dispatch is not settled';
comment on column slots.cancel_for is 'the dispatch that wants the slot by cancel_running';
comment on column slots.cancel_at is 'when that was decided';
comment on column slots.cancelled_at is 'when Temporal accepted the request to cancel the run, or had no open run';
create index slots_of_key on slots (namespace, route, slot_key);
create index slots_of_run on slots (run_id) where run_id is not null;
create index slots_to_cancel on slots (namespace, cancel_at)
    where cancel_for is not null and cancelled_at is null and run_id is not null;

-- Keys share these locks by their hash. Rows, because any login may take an advisory lock; few of them, because
-- a transaction may need those of all keys of a batch.
create table slot_locks (number smallint primary key);
insert into slot_locks select generate_series(0, 255);

create index dispatches_unadmitted on dispatches (id) where state = 'queued' and queued_at is null;
create index dispatches_queued on dispatches (namespace, route, slot_key, position, id) where state = 'queued';

-- lock_slots: lock some keys until the transaction ends. In the order of the locks, to prevent deadlocks.
create function lock_slots(p_namespaces text[], p_routes text[], p_keys text[]) returns void
language plpgsql as $$
begin
    perform
    from slot_locks l
    where l.number = any (array(
        select distinct (hashtextextended(concat_ws(chr(10), k.namespace, k.route, k.key), 0) & 255)::smallint
        from unnest(p_namespaces, p_routes, p_keys) as k (namespace, route, key)
    ))
    order by l.number
    for no key update;
end
$$;

-- grant_slots: grant the free slots of some keys to the first of their queues; returns how many.
-- The keys are locked by the caller. The limit is that of the newest plan in the queue.
create function grant_slots(p_namespaces text[], p_routes text[], p_keys text[]) returns bigint
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    v_granted bigint;
begin
    with keys as (
        select distinct k.namespace, k.route, k.key
        from unnest(p_namespaces, p_routes, p_keys) as k (namespace, route, key)
    ), free as (
        select k.*, newest.slots - held.slots as slots
        from keys k
        cross join lateral (
            select (d.flow #>> '{slot,limit}')::integer as slots
            from dispatches d
            where d.state = 'queued' and d.namespace = k.namespace and d.route = k.route and d.slot_key = k.key
            order by d.position desc, d.id desc
            limit 1
        ) as newest
        cross join lateral (
            select count(*)::integer as slots
            from slots s
            where s.namespace = k.namespace and s.route = k.route and s.slot_key = k.key
        ) as held
        where newest.slots > held.slots
    ), next as (
        select d.id
        from free f
        cross join lateral (
            select d.id
            from dispatches d
            where d.state = 'queued' and d.namespace = f.namespace and d.route = f.route and d.slot_key = f.key
            order by d.position, d.id
            limit f.slots
        ) as d
    ), granted as (
        update dispatches d
        set state = 'open', ready_at = clock_timestamp(), next_attempt_at = clock_timestamp()
        from next
        where d.id = next.id
        returning d.id, d.namespace, d.route, d.slot_key
    )
    insert into slots (dispatch, namespace, route, slot_key)
    select id, namespace, route, slot_key from granted;
    get diagnostics v_granted = row_count;
    return v_granted;
end
$$;

-- slot_holder: who holds the slots of a key, in words: the first of them, and how many others.
create function slot_holder(p_namespace text, p_route text, p_key text) returns text language sql stable as $$
    select format('%s (event %s%s)', d.target, coalesce(e.envelope ->> 'id', d.uid::text),
               ', run ' || coalesce(s.run_id, d.run_id))
           || case when s.holders > 1 then format(' and %s others', s.holders - 1) else '' end
    from (
        select dispatch, run_id, count(*) over () as holders
        from slots
        where namespace = p_namespace and route = p_route and slot_key = p_key
        order by dispatch
        limit 1
    ) as s
    join dispatches d on d.id = s.dispatch
    left join events e on e.uid = d.uid
$$;

-- admit_to_slots: of the queued dispatches without a decision, decide which get a slot, which stay in the
-- queue, and which are skipped; in the order of the events. Only the transaction that inserts them sees such rows, but
-- for those of a console, which may only insert: a daemon decides about them a moment later.
--
-- skip: what gets no slot is skipped. replace_queued: only the newest stays in the queue. cancel_running: as
-- replace_queued, and of the holders as many are to be cancelled as the newest needs, the oldest first.
-- Returns how many slots were granted.
create function admit_to_slots() returns bigint
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    v_ids bigint[];
    v_namespaces text[];
    v_routes text[];
    v_keys text[];
    v_granted bigint;
begin
    select array_agg(d.id), array_agg(d.namespace), array_agg(d.route), array_agg(d.slot_key)
    into v_ids, v_namespaces, v_routes, v_keys
    from dispatches d
    where d.state = 'queued' and d.queued_at is null;
    if v_ids is null then
        return 0;
    end if;
    perform lock_slots(v_namespaces, v_routes, v_keys);
    v_granted := grant_slots(v_namespaces, v_routes, v_keys);
    -- Another transaction may have decided about some before these were locked.
    update dispatches d set queued_at = clock_timestamp()
    where d.id = any (v_ids) and d.state = 'queued' and d.queued_at is null;
    v_ids := array(
        select d.id from dispatches d where d.id = any (v_ids) and d.state = 'queued' and d.flow #>> '{slot,when_full}' <> 'queue'
    );
    if cardinality(v_ids) = 0 then
        return v_granted;
    end if;

    update dispatches d
    set state = 'skipped', settled_at = clock_timestamp(),
        error = format('no free slot for key %s: held by %s', d.slot_key, holder.name)
    from (
        select k.*, slot_holder(k.namespace, k.route, k.key) as name
        from (
            select distinct q.namespace, q.route, q.slot_key as key
            from dispatches q
            where q.id = any (v_ids) and q.state = 'queued' and q.flow #>> '{slot,when_full}' = 'skip'
        ) as k
    ) as holder
    where d.id = any (v_ids) and d.state = 'queued' and d.flow #>> '{slot,when_full}' = 'skip'
      and (d.namespace, d.route, d.slot_key) = (holder.namespace, holder.route, holder.key);

    -- Those that a newer one replaces.
    with newest as materialized (
        select distinct on (q.namespace, q.route, q.slot_key)
               q.namespace, q.route, q.slot_key as key, last.id, last.uid, last.when_full
        from dispatches q
        cross join lateral (
            select l.id, l.uid, l.flow #>> '{slot,when_full}' as when_full
            from dispatches l
            where l.state = 'queued' and l.namespace = q.namespace and l.route = q.route and l.slot_key = q.slot_key
            order by l.position desc, l.id desc
            limit 1
        ) as last
        where q.id = any (v_ids) and q.state = 'queued'
          and q.flow #>> '{slot,when_full}' in ('replace_queued', 'cancel_running')
    ), replaced as (
        update dispatches d
        set state = 'skipped', settled_at = clock_timestamp(), into_id = newest.id,
            error = format('replaced by event %s while it waited for the slot of key %s', coalesce(
                (select e.envelope ->> 'id' from events e where e.uid = newest.uid), newest.uid::text
            ), d.slot_key)
        from newest
        where d.state = 'queued' and d.namespace = newest.namespace and d.route = newest.route
          and d.slot_key = newest.key and d.id <> newest.id
    )
    update slots s
    set cancel_for = newest.id, cancel_at = clock_timestamp()
    from newest
    join lateral (
        select h.dispatch
        from (
            select o.dispatch, o.cancel_for, row_number() over (order by o.cancel_for is null, o.dispatch) as number
            from slots o
            where o.namespace = newest.namespace and o.route = newest.route and o.slot_key = newest.key
        ) as h
        join dispatches n on n.id = newest.id
        where h.cancel_for is null and h.number <= (
            select count(*) + 1 - (n.flow #>> '{slot,limit}')::integer
            from slots o
            where o.namespace = newest.namespace and o.route = newest.route and o.slot_key = newest.key
        )
    ) as holder on true
    where newest.when_full = 'cancel_running' and s.dispatch = holder.dispatch;
    return v_granted;
end
$$;

-- free_slots: free the slots of some dispatches, and grant them to the first of the queue; returns how many are granted.
create function free_slots(p_ids bigint[]) returns bigint language plpgsql as $$
declare
    v_namespaces text[];
    v_routes text[];
    v_keys text[];
begin
    select array_agg(s.namespace), array_agg(s.route), array_agg(s.slot_key)
    into v_namespaces, v_routes, v_keys
    from slots s where s.dispatch = any (p_ids);
    if v_keys is null then
        return 0;
    end if;
    perform lock_slots(v_namespaces, v_routes, v_keys);
    delete from slots s where s.dispatch = any (p_ids);
    return grant_slots(v_namespaces, v_routes, v_keys);
end
$$;

-- settle_slots: of dispatches that are settled, tie the slots to their runs, and free those without a run that is
-- watched; returns how many are granted.
create function settle_slots(p_ids bigint[], p_runs text[]) returns bigint language plpgsql as $$
declare
    v_namespaces text[];
    v_routes text[];
    v_keys text[];
begin
    select array_agg(s.namespace), array_agg(s.route), array_agg(s.slot_key)
    into v_namespaces, v_routes, v_keys
    from slots s where s.dispatch = any (p_ids);
    if v_keys is null then
        return 0;
    end if;
    perform lock_slots(v_namespaces, v_routes, v_keys);
    update slots s
    set run_id = settled.run_id
    from unnest(p_ids, p_runs) as settled (id, run_id)
    where s.dispatch = settled.id and settled.run_id is not null
      -- A run that another dispatch started may have ended already.
      and not exists (select from runs r where r.run_id = settled.run_id and r.state <> 'open');
    delete from slots s where s.dispatch = any (p_ids) and s.run_id is null;
    return grant_slots(v_namespaces, v_routes, v_keys);
end
$$;

-- free_slots_of_runs: free the slots of runs whose end is known; returns how many are granted.
create function free_slots_of_runs(p_runs text[]) returns bigint language sql as $$
    select free_slots(array(select s.dispatch from slots s where s.run_id = any (p_runs)))
$$;

-- sweep_slots: free what no open dispatch and no open run holds, and grant what is free. For what two commits that
-- did not see each other left: a dispatch that was settled with a run while that run was found to have ended.
-- Returns how many slots were freed, and how many granted.
create function sweep_slots(p_most integer, out freed bigint, out granted bigint) language plpgsql as $$
declare
    v_ids bigint[];
    v_namespaces text[];
    v_routes text[];
    v_keys text[];
begin
    with recursive queues (namespace, route, key) as (
        (
            select d.namespace, d.route, d.slot_key from dispatches d where d.state = 'queued'
            order by d.namespace, d.route, d.slot_key limit 1
        )
        union all
        select next.*
        from queues q
        cross join lateral (
            select d.namespace, d.route, d.slot_key from dispatches d
            where d.state = 'queued' and (d.namespace, d.route, d.slot_key) > (q.namespace, q.route, q.key)
            order by d.namespace, d.route, d.slot_key limit 1
        ) as next
    ), keys as (
        select namespace, route, key from (select * from queues limit p_most) as q
        union
        select s.namespace, s.route, s.slot_key from idle_slots(p_most) as s
    )
    select array_agg(namespace), array_agg(route), array_agg(key) into v_namespaces, v_routes, v_keys from keys;
    freed := 0;
    granted := 0;
    if v_keys is null then
        return;
    end if;
    perform lock_slots(v_namespaces, v_routes, v_keys);
    -- Once more, since some may have changed before they were locked.
    delete from slots s
    using idle_slots(p_most) as i, unnest(v_namespaces, v_routes, v_keys) as k (namespace, route, key)
    where s.dispatch = i.dispatch and (s.namespace, s.route, s.slot_key) = (k.namespace, k.route, k.key);
    get diagnostics freed = row_count;
    granted := grant_slots(v_namespaces, v_routes, v_keys);
end
$$;

-- idle_slots: the slots that no open dispatch and no open run holds.
create function idle_slots(p_most integer) returns setof slots language sql stable as $$
    select s.*
    from slots s
    where case
        when s.run_id is null
        then not exists (select from dispatches d where d.id = s.dispatch and d.state || '' in ('open', 'waiting'))
        else not exists (select from runs r where r.run_id = s.run_id and r.state || '' = 'open')
    end
    limit p_most
$$;

-- slot_cancellation: of a slot that is wanted by cancel_running, how far that is, in words; null: it is not wanted.
create function slot_cancellation(s slots) returns text language sql stable as $$
    select case
        when s.cancel_for is null then null
        when s.cancelled_at is not null then format(
            'the cancellation of its run was requested at %s, and the run has not ended',
            to_char(s.cancelled_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
        )
        when s.cancel_error is not null then 'the request to cancel its run failed: ' || s.cancel_error
        when s.run_id is null then 'its run is cancelled when it has started'
        else 'the cancellation of its run is about to be requested'
    end
$$;

-- slot_wait: of a dispatch that is queued, what it waits for, in words; null: it is not queued.
create function slot_wait(d dispatches) returns text language sql stable as $$
    select format('waits for the slot of key %s', d.slot_key)
           || coalesce(', held by ' || slot_holder(d.namespace, d.route, d.slot_key), '')
           || case when before.dispatches > 0 then format('; %s%s before it in the queue',
                  least(before.dispatches, 1000), case when before.dispatches > 1000 then '+' else '' end) else '' end
           || coalesce((
                  select '; ' || slot_cancellation(s)
                  from slots s
                  where s.namespace = d.namespace and s.route = d.route and s.slot_key = d.slot_key
                    and s.cancel_for is not null
                  order by s.dispatch
                  limit 1
              ), '')
    from (
        select count(*) as dispatches
        from (
            select from dispatches e
            where e.state = 'queued' and e.namespace = d.namespace and e.route = d.route and e.slot_key = d.slot_key
              and (e.position, e.id) < (d.position, d.id)
            limit 1001
        ) as counted
    ) as before
    where d.state = 'queued'
$$;

-- dispatch_slot: of a dispatch that waits for a slot or holds one, which, in words; null: neither.
create function dispatch_slot(d dispatches) returns text language sql stable as $$
    select case
        when d.slot_key is null then null
        when d.state = 'queued' then slot_wait(d)
        else (
            select format('holds a slot of key %s', s.slot_key) || case when s.cancel_for is null then '' else format(
                '; event %s wants it: %s',
                coalesce((select e.envelope ->> 'id' from events e where e.uid = w.uid), w.uid::text, 'that is deleted'),
                slot_cancellation(s)
            ) end
            from slots s left join dispatches w on w.id = s.cancel_for
            where s.dispatch = d.id
        )
    end
$$;
