-- Notes the last message of a source that intake has answered. It may be an earlier one than was
-- noted: a stream that lost its tail is read from its beginning.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 consumer text
-- $4 sequence bigint   $5 when the stream took it, in nanoseconds since 1970, bigint
insert into source_progress (stream, stream_created, consumer, sequence, arrived_ns)
values ($1, $2, $3, $4, $5)
on conflict (stream, stream_created, consumer) do update
set sequence = excluded.sequence, arrived_ns = excluded.arrived_ns
