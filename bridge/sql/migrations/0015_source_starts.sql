-- A source may begin anywhere in its stream. Where it begins is decided once, and stored before the
-- consumer is created, so that a restart begins at the same message.
alter table source_progress add column first_sequence bigint not null default 1;
alter table source_progress add column first_ns bigint;
comment on column source_progress.first_sequence is
    'the first sequence that the source reads';
comment on column source_progress.first_ns is
    'messages that the stream stored earlier, in nanoseconds since 1970, are not read; null: all are';
