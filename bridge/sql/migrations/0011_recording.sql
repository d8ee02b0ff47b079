-- Recording: what intake decided about a batch of messages, in one transaction.
--
-- The functions of this file write the rows. In an open transaction intake calls them one after the other, between
-- its own decisions. A batch about which nothing remains to be decided is one statement (record_received).

-- planned_dispatch: the columns of `dispatches` that a plan has. For client and server, one array of these is less work than
-- an array for each column.
-- flow is a JSON object with the slot and the window that the dispatch asks for, or null.
create type planned_dispatch as (
    route text, route_digest bytea, generation integer, operation text, namespace text, key text, partition smallint,
    target text, request_id uuid, call json, starts boolean, wait_for float8, give_up_attempts integer,
    give_up_seconds float8, state text, flow jsonb, error text, trace text
);

-- insert_dispatches: insert the plan of a batch of events. A dispatch that cannot be made is inserted as dead. One without
-- a position is left out: its event was stored before. Arrays have an entry a dispatch.
-- p_replay: the replay that plans them; null at intake.
--
-- With p_fresh it returns the open ones whose key had no open or waiting dispatch before this statement, in position
-- order: they may be dispatched without being read (bridge.dispatch.handover).
create function insert_dispatches(
    p_uids uuid[], p_positions bigint[], p_plan planned_dispatch[], p_replay uuid, p_fresh boolean
) returns table (
    id bigint, uid uuid, "position" bigint, route text, generation integer, planned_at timestamptz, taken_at timestamptz
) language plpgsql as $$
#variable_conflict use_column
begin
    return query
    with inserted as (
        insert into dispatches (
            uid, position, route, route_digest, generation, operation, namespace, key, partition, target, request_id,
            call, starts, wait_for, give_up_attempts, give_up_seconds, state, flow, slot_key, error, trace, replay,
            settled_at
        )
        select given.uid, given.position, route, route_digest, generation, operation, namespace, key, partition, target,
               request_id, call, starts, wait_for, give_up_attempts, give_up_seconds, state, flow,
               flow #>> '{slot,key}', error, trace, p_replay,
               case when state in ('open', 'queued', 'gathering') then null else clock_timestamp() end
        from unnest(p_uids, p_positions, p_plan) as given (
            uid, position, route, route_digest, generation, operation, namespace, key, partition, target, request_id,
            call, starts, wait_for, give_up_attempts, give_up_seconds, state, flow, error, trace
        )
        where position is not null
        on conflict (uid, route, generation) do nothing
        returning id, uid, position, route, generation, planned_at, state, namespace, key
    )
    select id, uid, position, route, generation, planned_at, clock_timestamp()
    from inserted
    where p_fresh and state = 'open'
      and (namespace, key) not in (
          select busy.namespace, busy.key
          from busy_keys(
              array(select (unnest(p_plan)).namespace), array(select (unnest(p_plan)).key)
          ) as busy
      )
    order by position, id;
end
$$;

-- insert_deliveries: insert the verdict of each message of a batch of one stream, and save the last message of its source
-- that is recorded. A message that is delivered again keeps its first verdict. The saved message may come before the
-- one saved earlier: a stream that lost its last messages is read from its beginning.
-- p_arrived_ns: when the stream stored the last message, in nanoseconds since 1970.
create function insert_deliveries(
    p_sequences bigint[], p_topics text[], p_verdicts text[], p_uids uuid[],
    p_stream text, p_stream_created timestamptz, p_consumer text, p_sequence bigint, p_arrived_ns bigint
) returns void language plpgsql as $$
begin
    insert into source_progress (stream, stream_created, consumer, sequence, arrived_ns)
    values (p_stream, p_stream_created, p_consumer, p_sequence, p_arrived_ns)
    on conflict (stream, stream_created, consumer) do update
    set sequence = excluded.sequence, arrived_ns = excluded.arrived_ns;
    insert into deliveries (stream, stream_created, sequence, topic, verdict, uid)
    select p_stream, p_stream_created, * from unnest(p_sequences, p_topics, p_verdicts, p_uids)
    on conflict do nothing;
end
$$;

-- record_received: record a batch of messages as one statement, under the lease of its source.
--
-- An event that is stored already is a repeat, and nothing of its plan is inserted. If an event is refused for another
-- reason, nothing is written, and the statement fails with NT001: the caller decides about it in a transaction.
-- The arguments are those of assert_lease, append_events, insert_dispatches and insert_deliveries, but that
-- p_planned_by and p_received_as number the events of the batch, from 1: the event of each dispatch, and that of each
-- message (null: it has none). p_joins and p_admits tell whether some dispatches ask for a window or a slot.
-- The first row has the outcomes and bases of append_events alone; each other row is one of insert_dispatches.
create function record_received(
    p_lease text, p_owner text, p_epoch bigint, p_patience text,
    p_sources text[], p_event_streams text[], p_expected bigint[], p_counts integer[], p_events event_row[],
    p_planned_by integer[], p_plan planned_dispatch[], p_fresh boolean, p_joins boolean, p_admits boolean,
    p_sequences bigint[], p_topics text[], p_verdicts text[], p_received_as integer[],
    p_stream text, p_stream_created timestamptz, p_consumer text, p_sequence bigint, p_arrived_ns bigint
) returns table (
    outcomes text, bases bigint[],
    id bigint, uid uuid, "position" bigint, route text, generation integer, planned_at timestamptz, taken_at timestamptz
) language plpgsql
-- One plan for any arguments, by the indexes, also when it was made on small tables.
set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
#variable_conflict use_variable
declare
    v_uids constant uuid[] := array(select (unnest(p_events)).uid);
    v_appended record;
    v_positions bigint[];   -- per event; null if it was stored before
    v_written integer := 0;
    v_verdicts text[] := p_verdicts;
begin
    perform assert_lease(p_lease, p_owner, p_epoch, p_patience);
    -- Events that workflows emitted are in other streams. This check comes before the first write, so that
    -- nothing has to be rolled back.
    if exists (select from events e where e.uid = any (v_uids) and e.emitted) then
        raise exception 'a workflow emitted an event of the batch' using errcode = 'NT001';
    end if;
    select * into v_appended
    from append_events(false, p_sources, p_event_streams, p_expected, p_counts, p_events);
    if translate(v_appended.outcomes, 'ad', '') <> '' then
        raise exception 'an event of the batch is refused' using errcode = 'NT001';
    end if;
    v_positions := v_appended.positions;
    if strpos(v_appended.outcomes, 'd') > 0 then
        v_positions := array_fill(null::bigint, array[length(v_appended.outcomes)]);
        for v_event in 1 .. length(v_appended.outcomes) loop
            if substr(v_appended.outcomes, v_event, 1) = 'a' then
                v_written := v_written + 1;
                v_positions[v_event] := v_appended.positions[v_written];
            end if;
        end loop;
        v_verdicts := array(
            select case when v_positions[m.event] is null and m.event is not null then 'repeat' else m.verdict end
            from unnest(p_verdicts, p_received_as) with ordinality as m (verdict, event, number)
            order by m.number
        );
    end if;
    return query select v_appended.outcomes, v_appended.bases, null::bigint, null::uuid, null::bigint, null::text,
        null::integer, null::timestamptz, null::timestamptz;
    if cardinality(p_planned_by) > 0 then
        return query
        select null::text, null::bigint[], d.*
        from insert_dispatches(
            array(select v_uids[m.event] from unnest(p_planned_by) with ordinality as m (event, number) order by m.number),
            array(select v_positions[m.event] from unnest(p_planned_by) with ordinality as m (event, number) order by m.number),
            p_plan, null, p_fresh
        ) as d;
        if p_joins then
            perform join_windows(clock_timestamp());
        end if;
        if p_admits then
            perform admit_to_slots();
        end if;
    end if;
    perform insert_deliveries(
        p_sequences, p_topics, v_verdicts,
        array(select v_uids[m.event] from unnest(p_received_as) with ordinality as m (event, number) order by m.number),
        p_stream, p_stream_created, p_consumer, p_sequence, p_arrived_ns);
end
$$;
