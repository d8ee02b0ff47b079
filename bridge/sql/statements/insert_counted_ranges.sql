-- Notes ranges of counted messages.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 consumer text
-- $4 first sequences bigint[]   $5 last sequences bigint[]
-- $6 when the stream stored the last, in nanoseconds bigint[]
insert into counted_ranges (stream, stream_created, consumer, first, through, through_ns)
select $1, $2, $3, r.first, r.through, r.through_ns
from unnest($4::bigint[], $5::bigint[], $6::bigint[]) as r (first, through, through_ns)
