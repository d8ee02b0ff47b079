-- How an event came in: each of its deliveries and what intake answered.
-- $1 uid uuid
select stream, stream_created, sequence, topic, verdict, recorded_at
from deliveries
where uid = $1
order by recorded_at, stream, sequence
