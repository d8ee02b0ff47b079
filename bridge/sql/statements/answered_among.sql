-- The sequences, of those given, that intake has answered: recorded, or only counted.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 sequences bigint[]
-- $4 consumer text
select sequence from deliveries
where stream = $1 and stream_created = $2 and sequence = any ($3::bigint[])
union
select m.sequence
from unnest($3::bigint[]) as m (sequence)
where exists (
    select from counted_ranges r
    where r.stream = $1 and r.stream_created = $2 and r.consumer = $4
      and r.through >= m.sequence and r.first <= m.sequence
)
