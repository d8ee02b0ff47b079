-- Inserts dead letters. The same fault is inserted once. Missing attributes of the event are looked
-- up by its uid.
-- $1 stages text[]   $2 codes text[]    $3 reasons text[]   $4 uids uuid[]
-- $5 streams text[]  $6 streams' creation times timestamptz[]  $7 sequences bigint[]
-- $8 topics text[]   $9 headers bytea[] $10 payloads bytea[]   $11 routes text[]
-- $12 attempts int[] $13 generations int[]                     $14 tracebacks text[]
-- $15 events' ids text[]   $16 their sources text[]   $17 their types text[]
-- $18 subjects bytea[]     $19 when the streams stored the messages, in nanoseconds bigint[]
insert into dead_letters (
    stage, code, reason, uid, stream, stream_created, sequence, topic, headers, payload, route,
    attempts, generation, traceback, event_id, event_source, event_type, subject, arrived_ns
)
select l.stage, l.code, l.reason, l.uid, l.stream, l.stream_created, l.sequence, l.topic,
       l.headers, l.payload, l.route, l.attempts, l.generation, l.traceback,
       coalesce(l.event_id, e.envelope ->> 'id'), coalesce(l.event_source, e.envelope ->> 'source'),
       coalesce(l.event_type, e.type), l.subject, l.arrived_ns
from unnest(
    $1::text[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::timestamptz[], $7::bigint[],
    $8::text[], $9::bytea[], $10::bytea[], $11::text[], $12::integer[], $13::integer[],
    $14::text[], $15::text[], $16::text[], $17::text[],
    $18::bytea[], $19::bigint[]
) with ordinality as l (
    stage, code, reason, uid, stream, stream_created, sequence, topic, headers, payload, route,
    attempts, generation, traceback, event_id, event_source, event_type, subject, arrived_ns, number
)
left join events e on e.uid = l.uid
order by l.number
on conflict do nothing
