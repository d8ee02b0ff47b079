-- The longest time, in seconds, that a partition has been without an owner; 0 if all have one.
-- For a partition that never had an owner the time begins when the store was created.
-- $1 number of partitions
select coalesce(max(extract(epoch from clock_timestamp()
           - coalesce(l.expires_at, timestamptz 'epoch'))), 0)::float8
from generate_series(0, $1 - 1) as p (number)
left join leases as l on l.name = 'partition/' || p.number
where l.owner is null or l.expires_at <= clock_timestamp()
