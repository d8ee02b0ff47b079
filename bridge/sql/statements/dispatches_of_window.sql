-- The dispatches of a window whose call gets all of its events, in the order of their events.
-- $1 ids bigint[]
select id, uid, route, request_id, call::text as call
from dispatches
where id = any ($1::bigint[])
order by position, id
