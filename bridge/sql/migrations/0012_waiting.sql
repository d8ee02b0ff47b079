-- What waits for its target holds only what must come after it, and is woken by the start of that target.
alter table dispatches
    add column starts   boolean not null default false,
    add column wait_for float8,
    add column woken    boolean not null default false;
comment on column dispatches.starts is
    'whether it starts its target when that is not there';
comment on column dispatches.wait_for is
    'seconds that it waits for its target when that is not there; null: it does not wait';
comment on column dispatches.woken is
    'whether its target was started after the attempt that is under way, or the last one, began';

-- The key was renamed, as it is about targets that are not there yet as well.
update dispatches
set call = jsonb_set(call #- '{target,when_closed}', '{target,when_missing}', call #> '{target,when_closed}')
where call #> '{target,when_closed}' is not null;
update dispatches
set call = jsonb_set(call - 'when_closed', '{when_missing}', call -> 'when_closed')
where operation = 'cancel' and call ? 'when_closed';

update dispatches
set starts = operation in ('start', 'signal_with_start') or (operation = 'signal' and call ? 'start'),
    wait_for = case
        when coalesce(call #>> '{target,when_missing}', call ->> 'when_missing') = 'wait'
        then coalesce((call #>> '{target,wait_for}')::float8, (call ->> 'wait_for')::float8, 86400)
    end
where state in ('open', 'waiting');

drop index dispatches_deferred;
create index dispatches_deferred on dispatches (key, next_attempt_at) where state = 'open';
create index dispatches_waiting on dispatches (target, key) where state = 'waiting';
-- For a start, which looks for those that wait for it, also while an attempt of theirs is under way.
create index dispatches_awaiting on dispatches (target)
    where state in ('open', 'waiting') and wait_for is not null;

-- take_dispatches: the next dispatches that are due, in the order of their events, of some partitions.
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
drop function take_dispatches;
create function take_dispatches(
    p_partitions smallint[], p_in_hand bigint[], p_most integer, p_left_out_keys text[],
    p_left_out_routes text[], p_most_bytes bigint
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
          and d.partition = any (p_partitions)
          and d.next_attempt_at <= statement_timestamp()
          -- By a hash: a list, where it is not known to the planner, is gone through for every row.
          and d.id not in (select unnest(p_in_hand))
          and d.key <> all (p_left_out_keys)
          and d.route <> all (p_left_out_routes)
          and not coalesce((
              select true from dispatches e
              where e.key = d.key
                and e.state = 'open'
                and e.next_attempt_at > statement_timestamp()
                and (e.position, e.id) < (d.position, d.id)
              limit 1
          ), false)
          and (d.starts or not coalesce((
              select true from dispatches e
              where e.target = d.target
                and e.key = d.key
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

-- dispatch_ahead: of one that is not settled, the first that holds it in its lane, in words; null: none.
create function dispatch_ahead(d dispatches) returns text language sql stable as $$
    select format('%s %s by route %s (event %s)', e.operation, e.target, e.route, coalesce(
               (select id from events where uid = e.uid), e.uid::text
           ))
    from dispatches e
    where d.state in ('open', 'waiting')
      and e.key = d.key
      and (e.state = 'open' or (e.state = 'waiting' and e.target = d.target and not d.starts))
      and (e.position, e.id) < (d.position, d.id)
    order by e.position, e.id
    limit 1
$$;
