-- Extends the range of counted messages that ends with the last recorded message of the source.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 consumer text
-- $4 sequence of the first new message bigint   $5 of the last bigint
-- $6 when the stream stored the last, in nanoseconds bigint
update counted_ranges r
set through = $5, through_ns = $6
from source_progress p
where p.stream = $1 and p.stream_created = $2 and p.consumer = $3 and p.sequence < $4
  and r.stream = $1 and r.stream_created = $2 and r.consumer = $3
  and r.through = p.sequence and r.through_ns = p.arrived_ns
returning r.first
