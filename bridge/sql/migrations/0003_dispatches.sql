-- Replays: what was asked for, where it goes, and how far it has come. The set of events is
-- fixed when a replay begins: the selection, up to the position where the log was final then.
create table replays (
    id          uuid        primary key,
    selection   jsonb       not null,
    target      jsonb       not null,
    incarnation uuid        not null,
    through     bigint      not null check (through >= 0),
    total       bigint      not null check (total >= 0),
    position    bigint      not null check (position >= 0),
    sequence    bigint,
    done        bigint      not null default 0,
    tally       jsonb       not null default '{}',
    epoch       bigint      not null default 0,
    state       text        not null default 'open' check (state in ('open', 'finished')),
    who         text        not null,
    began_at    timestamptz not null default clock_timestamp(),
    saved_at    timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    check ((finished_at is null) = (state = 'open'))
);
comment on column replays.position is 'everything at or below it is done; more may be: the target itself says so';
comment on column replays.sequence is 'to NATS: of the stream''s last message when position was saved';
comment on column replays.tally is 'to routes: what the events came to, counted';
create index replays_by_time on replays (began_at);

-- The plan, the ledger and the answer to "what became of it": this event, by this route, to
-- this target, in this state. Keys hash to partitions, each of which one daemon dispatches at a time.
create table dispatches (
    id               bigint      generated always as identity primary key,
    uid              uuid        not null,
    position         bigint      not null,
    route            text        not null,
    route_digest     bytea       not null,
    generation       integer     not null default 1 check (generation > 0),
    operation        text        not null,
    namespace        text        not null default '',
    key              text        not null,
    partition        smallint    not null,
    target           text        not null,
    request_id       uuid        not null,
    call             json        not null,
    starts           boolean     not null default false,
    wait_for         float8,
    replay           uuid        references replays,
    trace            text,
    give_up_attempts integer,
    give_up_seconds  float8,
    state            text        not null default 'open'
        check (state in (
            'open', 'waiting', 'queued', 'gathering',
            'done', 'duplicate', 'collision', 'skipped', 'merged', 'dead'
        )),
    flow             jsonb,
    slot_key         text,
    window_id        bigint,
    into_id          bigint,
    member_ids       bigint[],
    run_id           text,
    attempts         integer     not null default 0,
    next_attempt_at  timestamptz not null default clock_timestamp(),
    waiting_until    timestamptz,
    woken            boolean     not null default false,
    error            text,
    daemon           text,
    planned_at       timestamptz not null default clock_timestamp(),
    queued_at        timestamptz,
    ready_at         timestamptz,
    settled_at       timestamptz,
    unique (uid, route, generation),
    check ((settled_at is null) = (state in ('open', 'waiting', 'queued', 'gathering')))
);
comment on column dispatches.namespace is
    'the Temporal namespace, by its name in the settings temporal.namespaces; empty: the default namespace';
comment on column dispatches.starts is
    'whether it starts its target when that is not there';
comment on column dispatches.wait_for is
    'seconds that it waits for its target when that is not there; null: it does not wait';
comment on column dispatches.woken is
    'whether its target was started after the attempt that is under way, or the last one, began';
comment on column dispatches.state is
    'not settled: open, waiting (for its target), queued (for a slot), gathering (in a window). The other states are final';
comment on column dispatches.flow is 'the slot and the window that its plan asks for; null: none';
comment on column dispatches.slot_key is 'the key of its slot, from flow';
comment on column dispatches.queued_at is 'when it was decided that it waits for a slot; null: not yet';
comment on column dispatches.ready_at is 'when it got its slot, or its window closed; null: when it was planned';
comment on column dispatches.window_id is 'the window that it is in, or was';
comment on column dispatches.into_id is 'of one that is merged or replaced: the dispatch that calls instead of it';
comment on column dispatches.member_ids is
    'of one that calls for a window with all of its events: their dispatches in order, its own included';
comment on column dispatches.replay is 'the replay that planned it; null: intake did';
comment on column dispatches.trace is
    'W3C trace context: traceparent, and tracestate behind a blank; null when nobody traces';
-- Each namespace has a dispatcher of its own, which walks only its own rows.
create index dispatches_due on dispatches (namespace, position, id) where state in ('open', 'waiting');
-- Those that wait for a slot or are in a window are in no index from which dispatches are taken.
create index dispatches_held on dispatches (route, state, position, id) where state in ('queued', 'gathering');
-- What looks for single dispatches of a key or target gives the state as an expression (state || ''), as these indexes
-- do: so that it can use no other one. After a quiet hour the planner believes the indexes of what is open to be empty,
-- and would read the whole backlog in one of them for every look.
create index dispatches_deferred on dispatches (key, next_attempt_at) where state || '' = 'open';
create index dispatches_waiting on dispatches (key, target) where state || '' = 'waiting';
-- For a start, which looks for those that wait for it, also while an attempt of theirs is under way.
create index dispatches_awaiting on dispatches (target)
    where state || '' in ('open', 'waiting') and wait_for is not null;
create index dispatches_target on dispatches (target);
create index dispatches_replay on dispatches (replay) where replay is not null;
create index dispatches_settled on dispatches (settled_at) include (route, state, planned_at)
    where settled_at is not null;
-- The lanes that are stuck begin with one of these. The condition is a sum, so that no other query uses the index.
create index dispatches_failing on dispatches (position, id)
    where state in ('open', 'waiting') and attempts + (state = 'waiting')::int > 0;
-- A paused route may have a million dispatches that are not settled. What takes the others, and what counts
-- them, must not read past those: so there is an order by route, from which routes can be left out.
create index dispatches_of_route on dispatches (namespace, route, position, id) where state in ('open', 'waiting');

-- dispatch_ahead: of one that is not settled, the first that holds it in its lane, in words; null: none.
create function dispatch_ahead(d dispatches) returns text language sql stable as $$
    select format('%s %s by route %s (event %s)', e.operation, e.target, e.route, coalesce(
               (select s.envelope ->> 'id' from events s where s.uid = e.uid), e.uid::text
           ))
    from dispatches e
    where d.state in ('open', 'waiting')
      and e.key = d.key
      and e.namespace = d.namespace
      and (e.state || '' = 'open' or (e.state || '' = 'waiting' and e.target = d.target and not d.starts))
      and (e.position, e.id) < (d.position, d.id)
    order by e.position, e.id
    limit 1
$$;
