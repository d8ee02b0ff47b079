-- The deliveries of an event, each with its verdict.
-- $1 uid uuid
select stream, stream_created, sequence, topic, verdict, recorded_at
from deliveries
where uid = $1
order by recorded_at, stream, sequence
