-- Takes the next dispatches of a namespace that are due (see migrations/0017_namespaces.sql).
-- $1 namespace text, empty: the default one
-- $2 partitions smallint[]   $3 ids in hand bigint[]   $4 how many int
-- $5 keys to leave out text[]   $6 routes to leave out text[]   $7 how many bytes of calls bigint:
-- the row that makes their total reach this is the last
select id, uid, position, route, generation, operation, key, target, request_id, call, run_id,
       attempts, planned_at, waiting_until, give_up_attempts, give_up_seconds, trace, taken_at
from take_dispatches($1, $2, $3, $4, $5, $6, $7)
