-- Messages that left a stream before they were recorded for a source, noticed in a time range.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 consumer text
-- $4 since timestamptz or null   $5 until timestamptz or null
select first, through, noticed_at
from removed_messages
where stream = $1 and stream_created = $2 and consumer = $3
  and ($4::timestamptz is null or noticed_at >= $4)
  and ($5::timestamptz is null or noticed_at < $5)
order by first
