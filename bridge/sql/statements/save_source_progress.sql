-- Saves the last message of a source that is recorded. It may be before the saved one: a stream that
-- lost its last messages is read from its beginning.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 consumer text
-- $4 sequence bigint   $5 when the stream stored it, in nanoseconds since 1970, bigint
insert into source_progress (stream, stream_created, consumer, sequence, arrived_ns)
values ($1, $2, $3, $4, $5)
on conflict (stream, stream_created, consumer) do update
set sequence = excluded.sequence, arrived_ns = excluded.arrived_ns
