-- Takes the next open dispatches that are due, in the order of their events. Those in hand
-- already are left out.
-- $1 ids in hand bigint[]   $2 how many int
select d.id, d.uid, d.position, d.route, d.generation, d.operation, d.key, d.target,
       d.request_id, d.call::text as call, d.run_id, d.attempts, d.planned_at, d.waiting_until
from dispatches d
where d.state = 'open' and d.next_attempt_at <= clock_timestamp() and d.id <> all ($1::bigint[])
order by d.position, d.id
limit $2
