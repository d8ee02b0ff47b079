-- What intake answered for every message of every source stream. A stream of the same name
-- that was deleted and made again counts its sequences anew, hence its creation time.
create table deliveries (
    stream         text        not null,
    stream_created timestamptz not null,
    sequence       bigint      not null,
    topic          text        not null,
    -- passed-over: the server's own messages on a stream (definitions of schedules, delete markers)
    verdict        text        not null
        check (verdict in ('matched', 'unmatched', 'repeat', 'conflict', 'set-aside', 'passed-over')),
    uid            uuid,
    recorded_at    timestamptz not null default clock_timestamp(),
    primary key (stream, stream_created, sequence)
);
create index deliveries_uid on deliveries (uid) where uid is not null;

-- How far each source has come: two sources may be parts of one stream. The last recorded message is
-- known by its place in the stream and by the moment the stream took it: another message at the same
-- place, after the stream was restored or lost its tail, has another one.
-- Where a source begins is decided once, and stored before its consumer is created, so that a restart
-- begins at the same message.
create table source_progress (
    stream         text        not null,
    stream_created timestamptz not null,
    consumer       text        not null,
    sequence       bigint      not null,
    arrived_ns     bigint,
    first_sequence bigint      not null default 1,
    first_ns       bigint,
    seen_through   bigint,
    primary key (stream, stream_created, consumer)
);
comment on column source_progress.arrived_ns is
    'when the stream took that message, in nanoseconds since 1970; null if not known';
comment on column source_progress.first_sequence is
    'the first sequence that the source reads';
comment on column source_progress.first_ns is
    'messages that the stream stored earlier, in nanoseconds since 1970, are not read; null: all are';
comment on column source_progress.seen_through is
    'every message of the source up to this sequence of the stream is recorded; null: not known';

-- Messages that left a source stream before they were recorded: expired, purged or deleted.
create table removed_messages (
    stream         text        not null,
    stream_created timestamptz not null,
    consumer       text        not null,
    first          bigint      not null,
    through        bigint      not null check (through >= first),
    noticed_at     timestamptz not null default clock_timestamp(),
    primary key (stream, stream_created, consumer, first)
);

-- Messages that no route wanted, of sources that only count them (unmatched: count). They are neither
-- events nor deliveries: a high-volume stream costs a row a range, and one a subject and type.
create table counted_messages (
    stream         text        not null,
    stream_created timestamptz not null,
    consumer       text        not null,
    key            bytea       not null check (octet_length(key) = 32),
    subject        text        not null,
    type           text        not null,
    messages       bigint      not null check (messages > 0),
    first          bigint      not null,
    through        bigint      not null check (through >= first),
    counted_at     timestamptz not null default clock_timestamp(),
    primary key (stream, stream_created, consumer, key)
);
comment on table counted_messages is 'how many messages of a source no route wanted, by subject and type';
comment on column counted_messages.key is 'SHA-256 of subject and type, which are too long for an index';
comment on column counted_messages.through is 'sequence of the last of these messages; first: of the first';

-- Which messages were counted: every message of the source from first through that one. A message is
-- counted once, however often it is delivered; another message at the same place, after the stream
-- lost its tail, has a later time.
create table counted_ranges (
    stream         text        not null,
    stream_created timestamptz not null,
    consumer       text        not null,
    first          bigint      not null,
    through        bigint      not null check (through >= first),
    through_ns     bigint      not null,
    primary key (stream, stream_created, consumer, through, through_ns)
);
comment on column counted_ranges.through_ns is
    'when the stream stored the last message of the range, in nanoseconds since 1970';
