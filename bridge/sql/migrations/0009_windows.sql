-- Windows: events of a key that one call is for (bridge.flow.windows has the rules, and a picture).
--
-- A dispatch that joins a window is "gathering" until the window closes; then the one of the last event
-- becomes due, and the others are "merged" into it. Both happen in the commit that inserts the dispatch (the event
-- fills the window, or does not fit), or in one statement of a daemon when the time is over. So no event is lost
-- or called twice, with any number of daemons, also if one of them is killed.
--
-- Time is an argument: what the database says in the daemon, and anything in tests.
--
-- As in 0004_taking.sql, plans do not depend on what a table had when they were made: what is joined or closed is few
-- among many dispatches, and found by an index. Functions that are called within have the same settings.
--
-- A console may only insert dispatches. What it plans joins a window a moment later, by a daemon (join_windows).

-- The windows that are open.
create table windows (
    id           bigint      generated always as identity primary key,
    namespace    text        not null,
    route        text        not null,
    key          text        not null,
    target       text        not null,
    kind         text        not null check (kind in ('debounce', 'batch')),
    gives_all    boolean     not null,
    route_digest bytea       not null,
    partition    smallint    not null,
    events       integer     not null default 0,
    bytes        bigint      not null default 0,
    opened_at    timestamptz not null,
    joined_at    timestamptz not null,
    closes_at    timestamptz not null,
    unique (namespace, route, key, target)
);
comment on column windows.target is 'the workflow that all of its events are for; empty: any';
comment on column windows.route_digest is 'of the revision that planned its last event';
comment on column windows.joined_at is 'when its last event joined';
comment on column windows.partition is 'of the dispatch of its last event';
create index windows_due on windows (partition, closes_at);

create index dispatches_gathering on dispatches (window_id, position, id) where state = 'gathering';
-- Only the transaction that inserts them sees such rows, but for those of a console.
create index dispatches_joining on dispatches (id) where state = 'gathering' and window_id is null;
-- For what a dispatch was called with, and for what still needs an event.
create index dispatches_merged on dispatches (into_id) where into_id is not null;

-- close_window: closes a window that the caller has locked, with dispatches that have just joined it and do not say so yet:
-- each row is changed once. Returns the dispatch that calls, and why it closed.
create function close_window(
    p_window bigint, p_closed_by text, p_now timestamptz, p_joined bigint[],
    out dispatch bigint, out route text, out events integer, out closed_by text
) language plpgsql as $$
declare
    v_ids bigint[];
    v_gives_all boolean;
begin
    select array_agg(m.id order by m.position, m.id) into strict v_ids
    from (
        select d.id, d.position from dispatches d where d.window_id = p_window and d.state = 'gathering'
        union all
        select d.id, d.position from dispatches d where d.id = any (p_joined)
    ) as m;
    events := cardinality(v_ids);
    dispatch := v_ids[events];
    closed_by := p_closed_by;
    delete from windows w where w.id = p_window returning w.gives_all, w.route into strict v_gives_all, route;
    update dispatches d
    set state = 'merged', window_id = p_window, into_id = v_ids[cardinality(v_ids)], settled_at = p_now
    where d.id = any (v_ids) and d.id <> v_ids[cardinality(v_ids)];
    update dispatches d
    set state = case when d.flow ? 'slot' then 'queued' else 'open' end,
        window_id = p_window,
        next_attempt_at = p_now,
        ready_at = p_now,
        member_ids = case when v_gives_all then v_ids end
    where d.id = v_ids[cardinality(v_ids)];
end
$$;

-- join_windows: puts the dispatches that this transaction, or a console, inserted as gathering into the windows of their
-- keys, and closes those that are full. Windows are locked in the order of their keys, so that two transactions cannot
-- deadlock; call it once in a transaction.
create function join_windows(p_now timestamptz)
returns table (dispatch bigint, route text, events integer, closed_by text)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off as $$
#variable_conflict use_column
declare
    r record;
    w windows;
    v_ids bigint[] := '{}';
    v_by text;
begin
    for r in
        select d.id, d.namespace, d.route, d.route_digest, d.partition, p.*
        from (
            select * from dispatches where state = 'gathering' and window_id is null for no key update skip locked
        ) as d
        cross join lateral jsonb_to_record(d.flow -> 'window') as p (
            kind text, key text, target text, seconds float8, at_most float8, size integer, max_bytes bigint,
            bytes bigint, gives_all boolean
        )
        order by d.namespace collate "C", d.route collate "C", p.key collate "C", coalesce(p.target, '') collate "C",
                 d.position, d.id
    loop
        r.target := coalesce(r.target, '');
        r.bytes := coalesce(r.bytes, 0);
        r.gives_all := coalesce(r.gives_all, false);
        if (w.namespace, w.route, w.key, w.target) is distinct from (r.namespace, r.route, r.key, r.target) then
            perform save_window(w, v_ids);
            v_ids := '{}';
            w := null;
        end if;
        loop
            if w.id is null then
                select * into w from windows o
                where (o.namespace, o.route, o.key, o.target) = (r.namespace, r.route, r.key, r.target)
                for update;
            end if;
            if w.id is null then
                insert into windows as o (
                    namespace, route, key, target, kind, gives_all, route_digest, partition, opened_at, joined_at,
                    closes_at
                )
                values (
                    r.namespace, r.route, r.key, r.target, r.kind, r.gives_all, r.route_digest, r.partition, p_now, p_now,
                    p_now + make_interval(secs => r.seconds)
                )
                on conflict (namespace, route, key, target) do nothing
                returning o.* into w;
                -- Without a row, another transaction has just opened it.
                continue when w.id is null;
            end if;
            v_by := case
                when w.events = 0 then null
                when w.closes_at <= p_now then 'time'
                when (w.kind, w.gives_all) <> (r.kind, r.gives_all)
                     or (r.gives_all and w.route_digest <> r.route_digest) then 'route'
                when w.bytes + r.bytes > r.max_bytes then 'bytes'
            end;
            exit when v_by is null;
            return query
                select c.dispatch, c.route, c.events, c.closed_by from close_window(w.id, v_by, p_now, v_ids) as c;
            v_ids := '{}';
            w := null;
        end loop;
        v_ids := v_ids || r.id;
        w.events := w.events + 1;
        w.bytes := w.bytes + r.bytes;
        w.kind := r.kind;
        w.gives_all := r.gives_all;
        w.route_digest := r.route_digest;
        w.partition := r.partition;
        w.joined_at := p_now;
        if r.kind = 'debounce' then
            w.closes_at := least(
                p_now + make_interval(secs => r.seconds),
                w.opened_at + make_interval(secs => r.at_most)
            );
        end if;
        if w.events >= r.size then
            return query
                select c.dispatch, c.route, c.events, c.closed_by from close_window(w.id, 'size', p_now, v_ids) as c;
            v_ids := '{}';
            w := null;
        end if;
    end loop;
    perform save_window(w, v_ids);
end
$$;

-- save_window: what join_windows keeps in variables from event to event.
create function save_window(w windows, p_ids bigint[]) returns void language plpgsql as $$
begin
    if w.id is null or cardinality(p_ids) = 0 then
        return;
    end if;
    update dispatches set window_id = w.id where id = any (p_ids);
    update windows o
    set kind = w.kind, gives_all = w.gives_all, route_digest = w.route_digest, partition = w.partition,
        events = w.events, bytes = w.bytes, joined_at = w.joined_at, closes_at = w.closes_at
    where o.id = w.id;
end
$$;

-- has_unjoined_dispatches: whether dispatches that a console planned have joined no window yet.
create function has_unjoined_dispatches() returns boolean language sql stable
set enable_seqscan = off set enable_bitmapscan = off as $$
    select exists (select from dispatches where state = 'gathering' and window_id is null)
$$;

-- close_due_windows: closes windows whose time is over, of some partitions, the earliest first, until they have many
-- events together: so that the statement is short. What another transaction has
-- locked is left out: it is being closed, or an event is joining it.
create function close_due_windows(p_now timestamptz, p_partitions smallint[], p_most integer)
returns table (dispatch bigint, route text, events integer, closed_by text)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off as $$
#variable_conflict use_column
declare
    v_window bigint;
    v_events bigint := 0;
    c record;
begin
    for v_window in
        select id from windows
        where partition = any (p_partitions) and closes_at <= p_now
        order by closes_at, id
        limit p_most
        for update skip locked
    loop
        select * into c from close_window(v_window, 'time', p_now, '{}');
        return query select c.dispatch, c.route, c.events, c.closed_by;
        v_events := v_events + c.events;
        exit when v_events >= 10000;
    end loop;
    -- Their calls may need slots.
    perform admit_to_slots();
end
$$;

create function counted_events(p_number integer, p_which text) returns text language sql immutable as $$
    select format('%s %sevent%s', p_number, p_which, case when p_number = 1 then '' else 's' end)
$$;

-- dispatch_together: with which other events a dispatch is called, in words; null: it has no window.
create function dispatch_together(d dispatches) returns text language sql stable as $$
    select case
        when d.window_id is null then null
        when d.state = 'gathering' then (
            select format(
                'gathers in an open %s of key %s with %s until %s',
                w.kind, w.key, counted_events(w.events - 1, 'other '),
                to_char(w.closes_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
            )
            from windows w where w.id = d.window_id
        )
        when d.state = 'merged' then coalesce(
            (
                select format(
                    'went into the call of event %s (dispatch %s, %s)',
                    coalesce((select s.envelope ->> 'id' from events s where s.uid = c.uid), c.uid::text), c.id, c.state
                )
                from dispatches c where c.id = d.into_id
            ),
            format('went into the call of dispatch %s, which retention has deleted', d.into_id)
        )
        when d.member_ids is not null then format('calls with %s', counted_events(cardinality(d.member_ids), ''))
        else format(
            'calls instead of %s',
            counted_events((select count(*)::int from dispatches m where m.into_id = d.id), 'earlier ')
        )
    end
$$;

-- is_called_later: whether a dispatch is not settled, or has an open dead letter.
create function is_called_later(c dispatches) returns boolean language sql stable as $$
    select c.settled_at is null or (
        c.state = 'dead' and exists (
            select from dead_letters x
            where x.uid = c.uid and x.route = c.route and x.stage = 'dispatch' and x.state || '' = 'open'
        )
    )
$$;

-- is_given_later: whether an event is given by a call for its window that is still to be made: one that is not settled,
-- or has an open dead letter.
create function is_given_later(p_uid uuid) returns boolean language sql stable as $$
    select exists (
        select from dispatches m join dispatches c on c.id = m.into_id
        where m.uid = p_uid and m.state = 'merged' and c.member_ids is not null and is_called_later(c)
    )
$$;
