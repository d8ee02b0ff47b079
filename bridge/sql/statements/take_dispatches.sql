-- Takes the next dispatches that are due, in the order of their events, of some partitions.
-- Those in hand already are left out, and so are those behind one of the same key that is not
-- due yet, or is left out: a failing key waits in its lane. "Due" is by one moment for the whole
-- statement: with a clock that goes on, a row could be found not due, and then not in the way.
-- $1 partitions smallint[]   $2 ids in hand bigint[]   $3 how many int
-- $4 keys to leave out text[]   $5 routes to leave out text[]   $6 how many bytes of calls bigint:
-- what they reach with one row is the last that is taken
with due as (
    select d.id, d.uid, d.position, d.route, d.generation, d.operation, d.key, d.target,
           d.request_id, d.call::text as call, d.run_id, d.attempts, d.planned_at, d.waiting_until,
           d.give_up_attempts, d.give_up_seconds, d.trace
    from dispatches d
    where d.state in ('open', 'waiting')
      and d.partition = any ($1::smallint[])
      and d.next_attempt_at <= statement_timestamp()
      and d.id <> all ($2::bigint[])
      and d.key <> all ($4::text[])
      and d.route <> all ($5::text[])
      and not exists (
          select from dispatches e
          where e.key = d.key
            and e.state in ('open', 'waiting')
            and (e.position, e.id) < (d.position, d.id)
            and (
                e.next_attempt_at > statement_timestamp()
                or (e.route = any ($5::text[]) and e.id <> all ($2::bigint[]))
            )
      )
    order by d.position, d.id
    limit $3
),
sized as (
    select due.*, sum(octet_length(due.call)) over (
        order by due.position, due.id rows between unbounded preceding and 1 preceding
    ) as bytes_before
    from due
)
select id, uid, position, route, generation, operation, key, target, request_id, call, run_id,
       attempts, planned_at, waiting_until, give_up_attempts, give_up_seconds, trace
from sized
where bytes_before is null or bytes_before < $6
order by position, id
