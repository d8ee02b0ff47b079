-- One dead letter with all its columns.
-- $1 id bigint
select l.id, l.stage, l.code, l.reason, l.route, l.generation, l.uid, l.event_id,
       l.event_source, l.event_type, l.stream, l.stream_created, l.sequence, l.topic,
       l.subject, l.arrived_ns, l.headers, l.payload, l.traceback,
       l.attempts, l.state, l.recorded_at, l.closed_at, l.notified_at,
       octet_length(l.payload) as payload_bytes
from dead_letters l
where l.id = $1
