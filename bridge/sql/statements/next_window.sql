-- In how many seconds the next window of some partitions closes (null: none is open), and whether dispatches
-- that a console planned have joined no window yet.
-- $1 partitions smallint[]
select (
           select extract(epoch from min(closes_at) - clock_timestamp())::float8
           from windows
           where partition = any ($1::smallint[])
       ) as seconds,
       has_unjoined_dispatches() as unjoined
