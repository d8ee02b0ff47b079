-- How many dispatches are open, in all partitions; counted no further than needs be.
-- $1 the most that are counted int
select count(*)
from (select from dispatches where state = 'open' limit $1) as counted
