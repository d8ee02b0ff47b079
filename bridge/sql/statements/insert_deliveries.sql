-- Inserts the verdict of each message of a batch, and saves the last message of its source that is
-- recorded. A message that is delivered again keeps its first verdict. The saved message may come before the
-- one saved earlier: a stream that lost its last messages is read from its beginning.
-- $1 streams text[]   $2 streams' creation times timestamptz[]   $3 sequences bigint[]
-- $4 topics text[]    $5 verdicts text[]                         $6 uids uuid[]
-- The last message:
-- $7 stream text   $8 the stream's creation time timestamptz   $9 consumer text
-- $10 sequence bigint   $11 when the stream stored it, in nanoseconds since 1970, bigint
with progress as (
    insert into source_progress (stream, stream_created, consumer, sequence, arrived_ns)
    values ($7::text, $8::timestamptz, $9::text, $10::bigint, $11::bigint)
    on conflict (stream, stream_created, consumer) do update
    set sequence = excluded.sequence, arrived_ns = excluded.arrived_ns
)
insert into deliveries (stream, stream_created, sequence, topic, verdict, uid)
select * from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::text[], $5::text[], $6::uuid[])
on conflict do nothing
