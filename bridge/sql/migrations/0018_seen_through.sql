-- A source with a subject filter reads only some sequences of its stream. How far all of its messages
-- are recorded is stored of its own, so that a later gap at the beginning of the stream is noticed.
alter table source_progress add column seen_through bigint;
comment on column source_progress.seen_through is
    'every message of the source up to this sequence of the stream is recorded; null: not known';
