-- dead_letter_shape: the first line of a reason without what differs from one event to the next: quoted
-- text, ids and numbers. Two letters with one shape failed alike.
create function dead_letter_shape(p_reason text) returns text language sql immutable parallel safe as $$
    select regexp_replace(regexp_replace(regexp_replace(
        left(split_part(p_reason, E'\n', 1), 300),
        '''[^'']*''|"[^"]*"', '''…''', 'g'),
        '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}', '…', 'g'),
        '[0-9]+', '…', 'g')
$$;

-- What could not be handled, with the bytes it arrived as and the reason.
create table dead_letters (
    id             bigint      generated always as identity primary key,
    stage          text        not null check (stage in ('intake', 'dispatch', 'relay')),
    code           text        not null,
    reason         text        not null,
    shape          text        not null generated always as (dead_letter_shape(reason)) stored,
    route          text,
    generation     integer     check (generation > 0),
    uid            uuid,
    event_id       text,
    event_source   text,
    event_type     text,
    stream         text,
    stream_created timestamptz,
    sequence       bigint,
    arrived_ns     bigint,
    topic          text,
    subject        bytea,
    headers        bytea,
    payload        bytea,
    attempts       integer     not null default 1,
    traceback      text,
    state          text        not null default 'open'
        check (state in ('open', 'redriven', 'dropped')),
    recorded_at    timestamptz not null default clock_timestamp(),
    closed_at      timestamptz,
    notified_at    timestamptz,
    check ((closed_at is null) = (state = 'open')),
    constraint dead_letters_dispatch_check check (
        stage <> 'dispatch'
        or (uid is not null and route is not null and generation is not null)
    )
);
comment on column dead_letters.shape is 'the reason without quoted text, ids and numbers';
comment on column dead_letters.event_id is
    'as the message says, decodable or not: to search by, never to decide by';
comment on column dead_letters.arrived_ns is
    'when the stream stored the message, in nanoseconds since 1970; null if not known';
comment on column dead_letters.subject is
    'the subject, without the prefix, where the text in topic is not exactly it';
comment on column dead_letters.headers is 'the header block as it came (NATS/1.0 ...)';
comment on column dead_letters.notified_at is 'when its notice was on NATS';
create unique index dead_letters_delivery on dead_letters (stream, stream_created, sequence)
    where stage = 'intake';
create unique index dead_letters_relay on dead_letters (uid) where stage = 'relay';
-- A dispatch dies once in each of its generations.
create unique index dead_letters_dispatch on dead_letters (uid, route, generation)
    where stage = 'dispatch';
-- What looks for the open letter of an event gives the state as an expression: see dispatches_deferred.
create index dead_letters_open on dead_letters (id) where state = 'open';
create index dead_letters_closed on dead_letters (state, id) where state <> 'open';
create index dead_letters_failures on dead_letters (stage, code, route, shape, id) include (recorded_at)
    where state = 'open';
create index dead_letters_uid on dead_letters (uid) where uid is not null;
-- By its hash: an id of any length fits.
create index dead_letters_event_id on dead_letters (hashtextextended(event_id, 0))
    where event_id is not null;
create index dead_letters_unnotified on dead_letters (id) where notified_at is null;

-- What people did about a letter, in order. 'left-open' is a redrive that did not succeed.
create table dead_letter_history (
    id     bigint      generated always as identity primary key,
    letter bigint      not null references dead_letters,
    at     timestamptz not null default clock_timestamp(),
    what   text        not null check (what in ('redriven', 'left-open', 'dropped')),
    who    text        not null,
    detail text
);
create index dead_letter_history_letter on dead_letter_history (letter, id);

-- dead_letter_matches: the one place that says what a selection of letters means. Absent
-- conditions are NULL. p_event is an event's id or its uid.
create function dead_letter_matches(
    l dead_letters, p_ids bigint[], p_state text, p_stage text, p_code text, p_route text,
    p_event text, p_type text, p_since timestamptz, p_until timestamptz
) returns boolean language sql immutable parallel safe as $$
    select (p_ids is null or l.id = any (p_ids))
       and (p_state is null or l.state = p_state)
       and (p_stage is null or l.stage = p_stage)
       and (p_code is null or l.code = p_code)
       and (p_route is null or l.route = p_route)
       and (p_event is null or l.event_id = p_event or l.uid::text = p_event)
       and (p_type is null or l.event_type = p_type)
       and (p_since is null or l.recorded_at >= p_since)
       and (p_until is null or l.recorded_at < p_until)
$$;
