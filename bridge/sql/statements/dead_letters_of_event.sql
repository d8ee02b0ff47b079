-- Dead letters about any of these events, or whose message mentions an id; oldest first.
-- $1 uids uuid[]   $2 id text, may be null
select l.id, l.stage, l.code, l.reason, l.route, l.generation, l.uid, l.event_id,
       l.event_source, l.event_type, l.stream, l.stream_created, l.sequence, l.topic,
       l.attempts, l.state, l.recorded_at, l.closed_at, l.notified_at,
       octet_length(l.payload) as payload_bytes
from dead_letters l
where l.uid = any ($1::uuid[])
   or (hashtextextended(l.event_id, 0) = hashtextextended($2, 0) and l.event_id = $2)
order by l.id
