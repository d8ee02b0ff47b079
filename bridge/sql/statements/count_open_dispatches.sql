-- How many dispatches are open, and how long until the first one that is due later.
select count(*) as open,
       extract(epoch from min(next_attempt_at) - clock_timestamp())::float8 as next_in
from dispatches
where state = 'open'
