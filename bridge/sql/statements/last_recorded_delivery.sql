-- The last message of a stream that intake has answered, None if there is none.
-- $1 stream text   $2 the stream's creation time timestamptz
select sequence, uid
from deliveries
where stream = $1 and stream_created = $2
order by sequence desc
limit 1
