-- How many dispatches are open or waiting in all partitions, and in how many seconds the next
-- of those that are not due now will be.
select count(*) filter (where state = 'open')    as open,
       count(*) filter (where state = 'waiting') as waiting,
       extract(epoch from min(next_attempt_at) filter (where next_attempt_at > clock_timestamp())
                          - clock_timestamp())::float8 as next_in
from dispatches
where state in ('open', 'waiting')
