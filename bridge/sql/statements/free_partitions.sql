-- How long the partition that has been free the longest has had no owner, in seconds; 0 when all
-- are held. A partition that never had one counts as free since the store was made.
-- $1 how many partitions there are
select coalesce(max(extract(epoch from clock_timestamp()
           - coalesce(l.expires_at, timestamptz 'epoch'))), 0)::float8
from generate_series(0, $1 - 1) as p (number)
left join leases as l on l.name = 'partition/' || p.number
where l.owner is null or l.expires_at <= clock_timestamp()
