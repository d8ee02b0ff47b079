-- What intake answered for a message, by its place in a stream; the newest stream of the name first.
-- $1 stream text   $2 sequence bigint
select d.stream_created, d.verdict, d.uid, d.topic, d.recorded_at, null::text as consumer,
       null::bigint as first, null::bigint as through
from deliveries d
where d.stream = $1 and d.sequence = $2
union all
select r.stream_created, 'counted', null, null, null, r.consumer, r.first, r.through
from counted_ranges r
where r.stream = $1 and r.first <= $2 and r.through >= $2
  and not exists (
      select from removed_messages m
      where m.stream = r.stream and m.stream_created = r.stream_created
        and m.consumer = r.consumer and m.first <= $2 and m.through >= $2
  )
union all
select m.stream_created, 'removed', null, null, m.noticed_at, m.consumer, m.first, m.through
from removed_messages m
where m.stream = $1 and m.first <= $2 and m.through >= $2
order by stream_created desc
