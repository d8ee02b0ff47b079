-- The Temporal namespace of a dispatch and of its run, as the settings call it (temporal.namespaces).
-- The empty text is the default one (temporal.namespace), also for rows of earlier releases. A workflow
-- id is one target in each namespace, and a key is one lane in each.
alter table dispatches add column namespace text not null default '';
comment on column dispatches.namespace is
    'its name in the settings temporal.namespaces; empty: the default namespace';
alter table runs add column namespace text not null default '';
comment on column runs.namespace is 'that of the dispatch';

-- Each namespace has a dispatcher of its own, which walks only its own rows.
drop index dispatches_due;
create index dispatches_due on dispatches (namespace, position, id) where state in ('open', 'waiting');
drop index runs_due;
create index runs_due on runs (namespace, next_look_at) where state = 'open';
drop index runs_age;
create index runs_age on runs (namespace, noted_at) where state = 'open';

-- take_dispatches: the next dispatches of a namespace that are due, in the order of their events, of some
-- partitions. See migration 12; new is the namespace. In what looks for the dispatches of a key, it is an
-- expression: so that the index of the key is used, and not the one in the order of the events.
create function take_dispatches(
    p_namespace text, p_partitions smallint[], p_in_hand bigint[], p_most integer,
    p_left_out_keys text[], p_left_out_routes text[], p_most_bytes bigint
) returns table (
    id bigint, uid uuid, "position" bigint, route text, generation integer, operation text, key text,
    target text, request_id uuid, call text, run_id text, attempts integer, planned_at timestamptz,
    waiting_until timestamptz, give_up_attempts integer, give_up_seconds float8, trace text,
    taken_at timestamptz
) language plpgsql stable
set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
#variable_conflict use_column
begin
    return query
    with due as (
        select d.id, d.uid, d.position, d.route, d.generation, d.operation, d.key, d.target,
               d.request_id, d.call::text as call, d.run_id, d.attempts, d.planned_at, d.waiting_until,
               d.give_up_attempts, d.give_up_seconds, d.trace
        from dispatches d
        where d.state in ('open', 'waiting')
          and d.namespace = p_namespace
          and d.partition = any (p_partitions)
          and d.next_attempt_at <= statement_timestamp()
          -- By a hash: a list, where it is not known to the planner, is gone through for every row.
          and d.id not in (select unnest(p_in_hand))
          and d.key <> all (p_left_out_keys)
          and d.route <> all (p_left_out_routes)
          and not coalesce((
              select true from dispatches e
              where e.key = d.key
                and e.namespace || '' = p_namespace
                and e.state = 'open'
                and e.next_attempt_at > statement_timestamp()
                and (e.position, e.id) < (d.position, d.id)
              limit 1
          ), false)
          and (d.starts or not coalesce((
              select true from dispatches e
              where e.target = d.target
                and e.key = d.key
                and e.namespace || '' = p_namespace
                and e.state = 'waiting'
                and (
                    e.next_attempt_at > statement_timestamp()
                    or (e.route = any (p_left_out_routes) and e.id not in (select unnest(p_in_hand)))
                )
                and (e.position, e.id) < (d.position, d.id)
              limit 1
          ), false))
          and (cardinality(p_left_out_routes) = 0 or not coalesce((
              select true from dispatches e
              where e.key = d.key
                and e.namespace || '' = p_namespace
                and e.state = 'open'
                and e.route = any (p_left_out_routes)
                and (e.position, e.id) < (d.position, d.id)
                and e.id not in (select unnest(p_in_hand))
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
           s.give_up_seconds, s.trace, statement_timestamp()
    from sized s
    where s.bytes_before is null or s.bytes_before < p_most_bytes
    order by s.position, s.id;
end
$$;

-- For daemons of an earlier release that still run: they know the default namespace only.
create or replace function take_dispatches(
    p_partitions smallint[], p_in_hand bigint[], p_most integer, p_left_out_keys text[],
    p_left_out_routes text[], p_most_bytes bigint
) returns table (
    id bigint, uid uuid, "position" bigint, route text, generation integer, operation text, key text,
    target text, request_id uuid, call text, run_id text, attempts integer, planned_at timestamptz,
    waiting_until timestamptz, give_up_attempts integer, give_up_seconds float8, trace text,
    taken_at timestamptz
) language plpgsql stable as $$
#variable_conflict use_column
begin
    return query select * from take_dispatches(
        '', p_partitions, p_in_hand, p_most, p_left_out_keys, p_left_out_routes, p_most_bytes
    );
end
$$;

-- dispatch_ahead: of one that is not settled, the first that holds it in its lane, in words; null: none.
create or replace function dispatch_ahead(d dispatches) returns text language sql stable as $$
    select format('%s %s by route %s (event %s)', e.operation, e.target, e.route, coalesce(
               (select id from events where uid = e.uid), e.uid::text
           ))
    from dispatches e
    where d.state in ('open', 'waiting')
      and e.key = d.key
      and e.namespace || '' = d.namespace
      and (e.state = 'open' or (e.state = 'waiting' and e.target = d.target and not d.starts))
      and (e.position, e.id) < (d.position, d.id)
    order by e.position, e.id
    limit 1
$$;
