-- Lists dead letters of a selection without payloads, newest first.
-- $1 … $9 selection as in dead_letter_matches   $10 before this id bigint   $11 how many int
select l.id, l.stage, l.code, l.reason, l.route, l.generation, l.uid, l.event_id,
       l.event_source, l.event_type, l.stream, l.stream_created, l.sequence, l.topic,
       l.attempts, l.state, l.recorded_at, l.closed_at, l.notified_at,
       octet_length(l.payload) as payload_bytes
from dead_letters l
where l.id < $10
  and dead_letter_matches(l, $1::bigint[], $2, $3, $4, $5, $6, $7, $8, $9)
order by l.id desc
limit $11
