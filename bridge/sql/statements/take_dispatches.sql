-- Takes the next due dispatches of a namespace (see migrations/0004_taking.sql).
-- $1 namespace text, empty: the default one
-- $2 partitions smallint[]   $3 ids already taken bigint[]   $4 how many int
-- $5 keys to exclude text[]   $6 routes to exclude text[]   $7 limit in bytes of calls bigint:
-- the row with which their total reaches it is the last
select id, uid, position, route, generation, operation, key, target, request_id, call, run_id,
       attempts, planned_at, waiting_until, give_up_attempts, give_up_seconds, trace, member_ids, taken_at
from take_dispatches($1, $2, $3, $4, $5, $6, $7)
