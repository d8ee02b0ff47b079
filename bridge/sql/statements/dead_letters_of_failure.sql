-- The open dead letters of one failure, oldest first, without their payloads.
-- Plan it for its arguments.
-- $1 stage text   $2 code text   $3 route text or null   $4 shape text   $5 after this id bigint   $6 how many int
select l.id, l.stage, l.code, l.reason, l.route, l.generation, l.uid, l.event_id,
       l.event_source, l.event_type, l.stream, l.stream_created, l.sequence, l.topic,
       l.attempts, l.state, l.recorded_at, l.closed_at, l.notified_at,
       octet_length(l.payload) as payload_bytes
from dead_letters l
where l.state = 'open' and l.stage = $1 and l.code = $2 and (l.route = $3 or ($3::text is null and l.route is null))
  and l.shape = $4 and l.id > $5
order by l.id
limit $6
