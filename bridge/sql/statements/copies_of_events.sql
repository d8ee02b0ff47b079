-- Where messages of some events are on source streams, and the notices of their dead letters.
-- $1 uids
select 'source' as kind, d.stream, d.stream_created, d.sequence, null::bigint as letter, d.topic as topic, d.uid
from deliveries d
where d.uid = any ($1::uuid[])
union
select 'source', l.stream, l.stream_created, l.sequence, null, l.topic, l.uid
from dead_letters l
where l.uid = any ($1::uuid[]) and l.stage = 'intake' and l.sequence is not null
union all
select 'notice', null, null, null, l.id, l.stage || '.' || coalesce(l.route, ''), l.uid
from dead_letters l
where l.uid = any ($1::uuid[]) and l.notified_at is not null
