-- Dead letters without a published notice, oldest first, with their events' correlation ids.
-- $1 how many int
select l.id, l.stage, l.code, l.reason, l.route, l.generation, l.uid, l.event_id,
       l.event_source, l.event_type, l.stream, l.stream_created, l.sequence, l.topic,
       l.attempts, l.state, l.recorded_at, l.closed_at, l.notified_at,
       octet_length(l.payload) as payload_bytes, coalesce(e.correlation_id, e.envelope ->> 'id') as correlation_id
from dead_letters l
left join events e on e.uid = l.uid
where l.notified_at is null
order by l.id
limit $1
