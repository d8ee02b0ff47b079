-- The last message of a source that intake has answered, and where the source began; none if it was
-- never read.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 consumer text
select sequence, arrived_ns, first_sequence, first_ns
from source_progress
where stream = $1 and stream_created = $2 and consumer = $3
