-- Keeps what could not be handled. The same message or event fails once for each stage.
-- $1 stages text[]   $2 codes text[]    $3 reasons text[]   $4 uids uuid[]
-- $5 streams text[]  $6 streams' creation times timestamptz[]  $7 sequences bigint[]
-- $8 topics text[]   $9 headers bytea[] $10 payloads bytea[]   $11 routes text[]
-- $12 attempts int[]
insert into dead_letters (
    stage, code, reason, uid, stream, stream_created, sequence, topic, headers, payload, route,
    attempts
)
select * from unnest(
    $1::text[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::timestamptz[], $7::bigint[],
    $8::text[], $9::bytea[], $10::bytea[], $11::text[], $12::integer[]
)
on conflict do nothing
