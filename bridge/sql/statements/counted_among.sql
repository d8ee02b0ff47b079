-- Those of some messages of a source that were answered before: counted, or otherwise.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 consumer text
-- $4 sequences bigint[]   $5 when the stream stored them, in nanoseconds bigint[]
select m.sequence
from unnest($4::bigint[], $5::bigint[]) as m (sequence, arrived_ns)
where exists (
    select from counted_ranges r
    where r.stream = $1 and r.stream_created = $2 and r.consumer = $3
      and r.through >= m.sequence and r.first <= m.sequence and r.through_ns >= m.arrived_ns
) or exists (
    select from deliveries d
    where d.stream = $1 and d.stream_created = $2 and d.sequence = m.sequence
)
