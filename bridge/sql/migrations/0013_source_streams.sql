-- The last recorded message of a source is known by its place in the stream and by the moment the
-- stream took it, whether it was an event or not: another message at the same place, after the
-- stream was restored or lost its tail, has another one.
alter table source_progress drop column uid;
alter table source_progress add column arrived_ns bigint;
comment on column source_progress.arrived_ns is
    'when the stream took that message, in nanoseconds since 1970; null if not known';

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

-- The server's own messages on a stream (definitions of schedules, delete markers) are no events.
alter table deliveries drop constraint deliveries_verdict_check;
alter table deliveries add constraint deliveries_verdict_check
    check (verdict in ('matched', 'unmatched', 'repeat', 'conflict', 'set-aside', 'passed-over'));
