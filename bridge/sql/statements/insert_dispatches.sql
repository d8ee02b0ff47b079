-- Inserts the plan of a batch of events. A dispatch that cannot be made is inserted as dead.
-- $1 uids uuid[]         $2 positions bigint[]   $3 routes text[]   $4 route digests bytea[]
-- $5 generations int[]   $6 operations text[]    $7 keys text[]     $8 targets text[]
-- $9 request ids uuid[]  $10 calls text[], each a JSON object       $11 partitions smallint[]
-- $12 states text[]      $13 errors text[]
-- $14 maximum attempts int[]                     $15 maximum seconds float8[]
-- $16 replay that plans them uuid, null at intake
-- $17 traces text[]      $18 whether it starts its target boolean[]
-- $19 seconds to wait for the target float8[]   $20 namespaces text[]
-- $21 whether to return dispatches boolean
-- $22 the slot and the window that each asks for text[], each a JSON object or null
-- Returns the open ones whose key had no open or waiting dispatch before this statement, in position
-- order, as take_dispatches does: they may be dispatched without being read (bridge.dispatch.handover).
with plan as (
    insert into dispatches (
        uid, position, route, route_digest, generation, operation, key, target, request_id, call,
        partition, state, error, give_up_attempts, give_up_seconds, replay, trace, starts, wait_for, namespace,
        flow, slot_key, settled_at
    )
    select uid, position, route, route_digest, generation, operation, key, target, request_id,
           call::jsonb, partition, state, error, give_up_attempts, give_up_seconds, $16::uuid, trace,
           starts, wait_for, namespace, flow::jsonb, flow::jsonb #>> '{slot,key}',
           case when state in ('open', 'queued', 'gathering') then null else clock_timestamp() end
    from unnest(
        $1::uuid[], $2::bigint[], $3::text[], $4::bytea[], $5::integer[], $6::text[], $7::text[],
        $8::text[], $9::uuid[], $10::text[], $11::smallint[], $12::text[], $13::text[],
        $14::integer[], $15::float8[], $17::text[], $18::boolean[], $19::float8[], $20::text[],
        $22::text[]
    ) as plan (
        uid, position, route, route_digest, generation, operation, key, target, request_id, call,
        partition, state, error, give_up_attempts, give_up_seconds, trace, starts, wait_for, namespace,
        flow
    )
    on conflict (uid, route, generation) do nothing
    returning *
)
select id, uid, position, route, generation, operation, key, target, request_id, call::text as call, run_id,
       attempts, planned_at, waiting_until, give_up_attempts, give_up_seconds, trace,
       clock_timestamp() as taken_at, namespace
from plan
where $21::boolean and state = 'open'
  and (namespace, key) not in (select busy.namespace, busy.key from busy_keys($20::text[], $7::text[]) as busy)
order by position, id
