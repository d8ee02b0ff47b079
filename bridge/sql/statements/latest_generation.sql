-- The last generation of an event's dispatch by a route; no row if there is no dispatch.
-- $1 uid uuid   $2 route text
select generation, state, member_ids
from dispatches
where uid = $1 and route = $2
order by generation desc
limit 1
