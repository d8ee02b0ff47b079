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
