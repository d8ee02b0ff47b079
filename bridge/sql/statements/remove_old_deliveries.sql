-- Reads the next deliveries of the streams, and deletes those recorded before a time. Two kinds are
-- kept: the last delivery of each stream, from which a lost consumer is created again, and the
-- deliveries of events that were emitted here, the only record that intake has planned them.
-- $1 $2 $3 after this one: stream text, its creation time timestamptz, sequence bigint
-- $4 time timestamptz   $5 how many to read int
with looked as materialized (
    select stream, stream_created, sequence, uid, recorded_at
    from deliveries
    where (stream, stream_created, sequence) > ($1, $2, $3)
    order by stream, stream_created, sequence
    limit $5
), removed as (
    delete from deliveries d
    using looked l
    where (d.stream, d.stream_created, d.sequence) = (l.stream, l.stream_created, l.sequence)
      and l.recorded_at < $4
      and l.sequence < (
          select max(x.sequence)
          from deliveries x
          where x.stream = l.stream and x.stream_created = l.stream_created
      )
      and not exists (select from events e where e.uid = l.uid and e.emitted)
    returning d.sequence
), last as (
    select stream, stream_created, sequence
    from looked
    order by stream desc, stream_created desc, sequence desc
    limit 1
)
select (select count(*) from looked) as looked, (select count(*) from removed) as removed,
       last.stream, last.stream_created, last.sequence,
       (select coalesce(bool_and(recorded_at >= $4), true)
        from looked
        where (looked.stream, looked.stream_created) = (last.stream, last.stream_created)
       ) as rest_is_younger
from last
