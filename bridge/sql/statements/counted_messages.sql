-- What was counted, most frequent first.
-- $1 stream text or null   $2 how many rows bigint
select stream, stream_created, consumer, subject, type, messages, first, through, counted_at
from counted_messages
where $1::text is null or stream = $1
order by messages desc, stream, subject, type
limit $2
