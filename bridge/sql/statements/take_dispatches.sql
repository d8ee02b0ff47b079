-- Takes the next dispatches that are due (see migrations/0012_waiting.sql).
-- $1 partitions smallint[]   $2 ids in hand bigint[]   $3 how many int
-- $4 keys to leave out text[]   $5 routes to leave out text[]   $6 how many bytes of calls bigint:
-- the row that makes their total reach this is the last
select id, uid, position, route, generation, operation, key, target, request_id, call, run_id,
       attempts, planned_at, waiting_until, give_up_attempts, give_up_seconds, trace, taken_at
from take_dispatches($1, $2, $3, $4, $5, $6)
