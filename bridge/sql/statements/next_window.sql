-- In how many seconds the next window of some partitions closes; null: none is open.
-- $1 partitions smallint[]
select extract(epoch from min(closes_at) - clock_timestamp())::float8
from windows
where partition = any ($1::smallint[])
