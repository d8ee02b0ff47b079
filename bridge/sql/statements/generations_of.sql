-- The last generation of each dispatch of these events, and its state.
-- $1 uids uuid[]
select distinct on (uid, route) uid, route, generation, state
from dispatches
where uid = any ($1::uuid[])
order by uid, route, generation desc
