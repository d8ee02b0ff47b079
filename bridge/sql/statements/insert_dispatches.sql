-- Records the plan of a batch of events.
-- $1 uids uuid[]         $2 positions bigint[]   $3 routes text[]   $4 route digests bytea[]
-- $5 generations int[]   $6 operations text[]    $7 keys text[]     $8 targets text[]
-- $9 request ids uuid[]  $10 specs text[], each a JSON object
insert into dispatches (
    uid, position, route, route_digest, generation, operation, key, target, request_id, spec
)
select uid, position, route, route_digest, generation, operation, key, target, request_id, spec::jsonb
from unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::bytea[], $5::integer[], $6::text[], $7::text[],
    $8::text[], $9::uuid[], $10::text[]
) as plan (
    uid, position, route, route_digest, generation, operation, key, target, request_id, spec
)
on conflict (uid, route, generation) do nothing
