-- What is looked at, or taken, among many dispatches is found by an index.

-- unsettled_namespaces: the namespaces with dispatches that are not settled.
create function unsettled_namespaces() returns setof text language sql stable rows 2
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
    with recursive namespaces (namespace) as (
        (
            select namespace from dispatches
            where state in ('open', 'waiting')
            order by namespace limit 1
        )
        union all
        select (
            select d.namespace from dispatches d
            where d.state in ('open', 'waiting') and d.namespace > n.namespace
            order by d.namespace limit 1
        )
        from namespaces n
        where n.namespace is not null
    )
    select namespace from namespaces where namespace is not null
$$;

-- failing_dispatches: the lanes that are stuck begin with one of these.
create function failing_dispatches(p_most integer)
returns table (id bigint, namespace text, key text, "position" bigint, planned_at timestamptz)
language sql stable rows 100
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
    select id, namespace, key, position, planned_at
    from dispatches
    where state in ('open', 'waiting') and attempts + (state = 'waiting')::int > 0
    order by position, id
    limit p_most
$$;

-- unsettled_routes: the routes with dispatches that are not settled; one index scan for each.
create function unsettled_routes(p_namespace text) returns setof text language sql stable rows 20
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
    with recursive routes (route) as (
        (
            select d.route from dispatches d
            where d.namespace = p_namespace and d.state in ('open', 'waiting')
            order by d.namespace, d.route limit 1
        )
        union all
        select (
            select d.route from dispatches d
            where d.namespace = p_namespace and d.state in ('open', 'waiting') and d.route > r.route
            order by d.namespace, d.route limit 1
        )
        from routes r
        where r.route is not null
    )
    select route from routes where route is not null
$$;

-- held_routes: the routes with dispatches that are queued for a slot or gather in a window; one index scan for each.
create function held_routes() returns setof text language sql stable rows 5
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
    with recursive routes (route) as (
        (select d.route from dispatches d where d.state in ('queued', 'gathering') order by d.route limit 1)
        union all
        select (
            select d.route from dispatches d
            where d.state in ('queued', 'gathering') and d.route > r.route
            order by d.route limit 1
        )
        from routes r
        where r.route is not null
    )
    select route from routes where route is not null
$$;

-- open_backlog: the number of open dispatches of a namespace, and the bytes of their calls; without those of
-- paused routes, which are not read. The plan does not depend on how many a route is thought to have.
create function open_backlog(p_namespace text, out dispatches bigint, out bytes bigint)
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set enable_hashjoin = off as $$
    select coalesce(sum(o.dispatches), 0)::bigint, coalesce(sum(o.bytes), 0)::bigint
    from unsettled_routes(p_namespace) as of (route)
    cross join lateral (
        select count(*) as dispatches, sum(pg_column_size(d.call)) as bytes
        from dispatches d
        where d.state in ('open', 'waiting') and d.state = 'open'
          and d.namespace = p_namespace and d.route = of.route
    ) as o
    where of.route not in (select name from pauses where kind = 'route')
$$;

-- take_of_routes: the ids that take_dispatches returns when routes are left out. Of each other route the next
-- ones are found in its own order, up to the last of the ids found before. The conditions are those of take_dispatches.
-- The route is compared by a range, and ordered by, so that only dispatches_of_route has that order.
create function take_of_routes(
    p_namespace text, p_partitions smallint[], p_in_hand bigint[], p_most integer,
    p_left_out_keys text[], p_left_out_routes text[]
) returns bigint[] language plpgsql stable
set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
declare
    v_route text;
    v_ids bigint[] := '{}';
    v_positions bigint[] := '{}';
    v_through bigint := 9223372036854775807;
begin
    for v_route in
        select route from unsettled_routes(p_namespace) as of (route) where route <> all (p_left_out_routes)
    loop
        select coalesce(array_agg(id order by position, id), '{}'),
               coalesce(array_agg(position order by position, id), '{}')
        into v_ids, v_positions
        from (
            select id, position
            from (
                select * from unnest(v_ids, v_positions) as found (id, position)
                union all
                (
                    select d.id, d.position
                    from dispatches d
                    where d.state in ('open', 'waiting')
                      and d.namespace = p_namespace
                      and d.route between v_route and v_route
                      and d.position <= v_through
                      and d.partition = any (p_partitions)
                      and d.next_attempt_at <= statement_timestamp()
                      and d.id not in (select unnest(p_in_hand))
                      and d.key <> all (p_left_out_keys)
                      and not coalesce((
                          select true from dispatches e
                          where e.key = d.key
                            and e.namespace = p_namespace
                            and e.state || '' = 'open'
                            and e.next_attempt_at > statement_timestamp()
                            and (e.position, e.id) < (d.position, d.id)
                          limit 1
                      ), false)
                      and (d.starts or not coalesce((
                          select true from dispatches e
                          where e.target = d.target
                            and e.key = d.key
                            and e.namespace = p_namespace
                            and e.state || '' = 'waiting'
                            and (
                                e.next_attempt_at > statement_timestamp()
                                or (
                                    e.route = any (p_left_out_routes)
                                    and e.id not in (select unnest(p_in_hand))
                                )
                            )
                            and (e.position, e.id) < (d.position, d.id)
                          limit 1
                      ), false))
                      and not coalesce((
                          select true from dispatches e
                          where e.key = d.key
                            and e.namespace = p_namespace
                            and e.state || '' = 'open'
                            and e.route = any (p_left_out_routes)
                            and (e.position, e.id) < (d.position, d.id)
                            and e.id not in (select unnest(p_in_hand))
                          limit 1
                      ), false)
                    order by d.route, d.position, d.id
                    limit p_most
                )
            ) as both_of_them
            order by position, id
            limit p_most
        ) as next;
        if cardinality(v_ids) = p_most then
            v_through := v_positions[p_most];
        end if;
    end loop;
    return v_ids;
end
$$;

-- take_dispatches: the next dispatches of a namespace that are due, in the order of their events, of
-- some partitions. What looks for the dispatches of a key uses the index of the key, whatever the statistics: see
-- dispatches_deferred.
--
-- Left out are those in hand, and those that an earlier dispatch of the same key holds because it is
-- not due yet or is left out: one that failed (open) holds all of its key; one that waits for its target
-- (waiting) holds what goes to the same target, but never what starts it.
-- "Due" is by one moment for the whole statement: with a clock that goes on, a row could be found not
-- due, and then not in the way.
--
-- One plan for any arguments, and for a table that nobody has analysed since the backlog came: the due
-- ones are walked in their order until there are enough, each with one look at what holds it (a value,
-- since an EXISTS may be made a join). Left to itself the planner sorts all that is open for every page,
-- or compares each row of a lane with all those before it.
--
-- Where routes are left out, take_of_routes finds the ids.
create function take_dispatches(
    p_namespace text, p_partitions smallint[], p_in_hand bigint[], p_most integer,
    p_left_out_keys text[], p_left_out_routes text[], p_most_bytes bigint
) returns table (
    id bigint, uid uuid, "position" bigint, route text, generation integer, operation text, key text,
    target text, request_id uuid, call text, run_id text, attempts integer, planned_at timestamptz,
    waiting_until timestamptz, give_up_attempts integer, give_up_seconds float8, trace text,
    member_ids bigint[], taken_at timestamptz
) language plpgsql stable
set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
#variable_conflict use_column
begin
    if cardinality(p_left_out_routes) > 0 then
        return query
        with sized as (
            select d.*, sum(octet_length(d.call::text)) over (
                order by d.position, d.id rows between unbounded preceding and 1 preceding
            ) as bytes_before
            from dispatches d
            where d.id = any (take_of_routes(
                p_namespace, p_partitions, p_in_hand, p_most, p_left_out_keys, p_left_out_routes
            ))
        )
        select s.id, s.uid, s.position, s.route, s.generation, s.operation, s.key, s.target, s.request_id,
               s.call::text, s.run_id, s.attempts, coalesce(s.ready_at, s.planned_at), s.waiting_until, s.give_up_attempts,
               s.give_up_seconds, s.trace, s.member_ids, statement_timestamp()
        from sized s
        where s.bytes_before is null or s.bytes_before < p_most_bytes
        order by s.position, s.id;
        return;
    end if;
    return query
    with due as (
        select d.id, d.uid, d.position, d.route, d.generation, d.operation, d.key, d.target,
               d.request_id, d.call::text as call, d.run_id, d.attempts, coalesce(d.ready_at, d.planned_at) as planned_at, d.waiting_until,
               d.give_up_attempts, d.give_up_seconds, d.trace, d.member_ids
        from dispatches d
        where d.state in ('open', 'waiting')
          and d.namespace = p_namespace
          and d.partition = any (p_partitions)
          and d.next_attempt_at <= statement_timestamp()
          and d.id not in (select unnest(p_in_hand))
          and d.key <> all (p_left_out_keys)
          and not coalesce((
              select true from dispatches e
              where e.key = d.key
                and e.namespace = p_namespace
                and e.state || '' = 'open'
                and e.next_attempt_at > statement_timestamp()
                and (e.position, e.id) < (d.position, d.id)
              limit 1
          ), false)
          and (d.starts or not coalesce((
              select true from dispatches e
              where e.target = d.target
                and e.key = d.key
                and e.namespace = p_namespace
                and e.state || '' = 'waiting'
                and e.next_attempt_at > statement_timestamp()
                and (e.position, e.id) < (d.position, d.id)
              limit 1
          ), false))
        order by d.position, d.id
        limit p_most
    ),
    sized as (
        select due.*, sum(octet_length(due.call)) over (
            order by due.position, due.id rows between unbounded preceding and 1 preceding
        ) as bytes_before
        from due
    )
    select s.id, s.uid, s.position, s.route, s.generation, s.operation, s.key, s.target, s.request_id,
           s.call, s.run_id, s.attempts, s.planned_at, s.waiting_until, s.give_up_attempts,
           s.give_up_seconds, s.trace, s.member_ids, statement_timestamp()
    from sized s
    where s.bytes_before is null or s.bytes_before < p_most_bytes
    order by s.position, s.id;
end
$$;

-- busy_keys: which of some keys have an open or waiting dispatch. What intake plans for any other may go to
-- its lane without being read from the table (bridge.dispatch.handover).
--
-- Stable: it sees what its statement sees, so not what that statement inserts. One plan for any
-- arguments and statistics, as for take_dispatches.
create function busy_keys(p_namespaces text[], p_keys text[])
returns table (namespace text, key text) language plpgsql stable
set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
#variable_conflict use_column
begin
    return query
    select k.namespace, k.key
    from (select distinct n.namespace, n.key from unnest(p_namespaces, p_keys) as n (namespace, key)) as k
    where coalesce((
              select true from dispatches e
              where e.key = k.key and e.namespace = k.namespace and e.state || '' = 'open'
              limit 1
          ), false)
       or coalesce((
              select true from dispatches e
              where e.key = k.key and e.namespace = k.namespace and e.state || '' = 'waiting'
              limit 1
          ), false);
end
$$;
