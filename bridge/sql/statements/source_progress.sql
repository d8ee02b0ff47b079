-- The last recorded message of a source, and where the source began; no row if it was never read.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 consumer text
select sequence, arrived_ns, first_sequence, first_ns, seen_through
from source_progress
where stream = $1 and stream_created = $2 and consumer = $3
