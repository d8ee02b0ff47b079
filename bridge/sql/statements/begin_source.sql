-- Stores where a source begins, before anything of it is read. Changes nothing if that is stored.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 consumer text
-- $4 first sequence to read bigint   $5 earliest time to read, in nanoseconds since 1970, bigint
insert into source_progress
    (stream, stream_created, consumer, sequence, first_sequence, first_ns, seen_through)
values ($1, $2, $3, $4 - 1, $4, $5, $4 - 1)
on conflict (stream, stream_created, consumer) do nothing
