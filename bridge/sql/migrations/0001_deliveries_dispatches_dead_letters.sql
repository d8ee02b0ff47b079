-- What intake answered for every message of every source stream. A stream of the same name
-- that was deleted and made again counts its sequences anew, hence its creation time.
create table deliveries (
    stream         text        not null,
    stream_created timestamptz not null,
    sequence       bigint      not null,
    topic          text        not null,
    verdict        text        not null
        check (verdict in ('matched', 'unmatched', 'repeat', 'conflict', 'undecodable')),
    uid            uuid,
    recorded_at    timestamptz not null default clock_timestamp(),
    primary key (stream, stream_created, sequence)
);
create index deliveries_uid on deliveries (uid) where uid is not null;

-- The plan, the ledger and the answer to "what became of it": this event, by this route, to
-- this target, in this state.
create table dispatches (
    id              bigint      generated always as identity primary key,
    uid             uuid        not null,
    position        bigint      not null,
    route           text        not null,
    route_digest    bytea       not null,
    generation      integer     not null default 1 check (generation > 0),
    operation       text        not null,
    key             text        not null,
    target          text        not null,
    request_id      uuid        not null,
    spec            jsonb       not null,
    state           text        not null default 'open'
        check (state in ('open', 'waiting', 'done', 'duplicate', 'collision', 'skipped', 'dead')),
    run_id          text,
    attempts        integer     not null default 0,
    next_attempt_at timestamptz not null default clock_timestamp(),
    error           text,
    daemon          text,
    planned_at      timestamptz not null default clock_timestamp(),
    settled_at      timestamptz,
    unique (uid, route, generation),
    check ((settled_at is null) = (state in ('open', 'waiting')))
);
create index dispatches_open on dispatches (position, id) where state = 'open';
create index dispatches_target on dispatches (target);

-- What could not be handled, with the bytes it arrived as and the reason.
create table dead_letters (
    id             bigint      generated always as identity primary key,
    stage          text        not null check (stage in ('intake', 'dispatch', 'relay')),
    code           text        not null,
    reason         text        not null,
    route          text,
    uid            uuid,
    stream         text,
    stream_created timestamptz,
    sequence       bigint,
    topic          text,
    headers        bytea,
    payload        bytea,
    attempts       integer     not null default 1,
    traceback      text,
    state          text        not null default 'open'
        check (state in ('open', 'redriven', 'dropped')),
    recorded_at    timestamptz not null default clock_timestamp(),
    closed_at      timestamptz,
    check ((closed_at is null) = (state = 'open'))
);
comment on column dead_letters.headers is 'a JSON object; bytea, since jsonb refuses NUL';
create unique index dead_letters_delivery on dead_letters (stream, stream_created, sequence)
    where stage = 'intake';
create unique index dead_letters_relay on dead_letters (uid) where stage = 'relay';
create index dead_letters_open on dead_letters (id) where state = 'open';
