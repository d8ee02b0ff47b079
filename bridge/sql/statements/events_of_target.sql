-- The events that were dispatched to a workflow, the latest first.
-- $1 workflow id text   $2 how many int
select uid
from dispatches
where target = $1
group by uid
order by max(position) desc
limit $2
