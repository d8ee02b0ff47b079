-- take_dispatches: the next dispatches that are due, in the order of their events, of some partitions.
--
-- Those in hand already are left out, and so are those behind one of the same key that is not
-- due yet, or is left out: a failing key waits in its lane. "Due" is by one moment for the whole
-- statement: with a clock that goes on, a row could be found not due, and then not in the way.
--
-- One plan for any arguments, and for a table that nobody has analysed since the backlog came: the due
-- ones are walked in their order until there are enough, each with one look at what is deferred of
-- its key (a value, since an EXISTS may be made a join). Left to itself the planner sorts all that is
-- open for every page, or compares each row of a lane with all those before it.
create index dispatches_deferred on dispatches (key, next_attempt_at) where state in ('open', 'waiting');
drop index dispatches_lane;

create function take_dispatches(
    p_partitions smallint[], p_in_hand bigint[], p_most integer, p_left_out_keys text[],
    p_left_out_routes text[], p_most_bytes bigint
) returns table (
    id bigint, uid uuid, "position" bigint, route text, generation integer, operation text, key text,
    target text, request_id uuid, call text, run_id text, attempts integer, planned_at timestamptz,
    waiting_until timestamptz, give_up_attempts integer, give_up_seconds float8, trace text
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
                and e.state in ('open', 'waiting')
                and e.next_attempt_at > statement_timestamp()
                and (e.position, e.id) < (d.position, d.id)
              limit 1
          ), false)
          and (cardinality(p_left_out_routes) = 0 or not coalesce((
              select true from dispatches e
              where e.key = d.key
                and e.state in ('open', 'waiting')
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
           s.give_up_seconds, s.trace
    from sized s
    where s.bytes_before is null or s.bytes_before < p_most_bytes
    order by s.position, s.id;
end
$$;
