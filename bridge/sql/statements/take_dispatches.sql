-- Takes the next open dispatches that are due, in the order of their events, with what the
-- call needs of the event. Those in hand already are left out.
-- $1 ids in hand bigint[]   $2 how many int
select d.id, d.uid, d.route, d.generation, d.operation, d.target, d.request_id,
       d.spec::text as spec, d.attempts, d.position
from dispatches d
where d.state = 'open' and d.next_attempt_at <= clock_timestamp() and d.id <> all ($1::bigint[])
order by d.position, d.id
limit $2
