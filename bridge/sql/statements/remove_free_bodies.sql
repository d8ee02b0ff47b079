-- Take the bodies of those of some events that nothing needs now; see the function remove_bodies. Which
-- events are needed is judged in the same statement, before the first row is locked.
-- $1 removal, $2 positions, $3 uids, $4 digests, $5 attributes that may stay (null: all), $6 attributes that go,
-- $7 milliseconds
with free as materialized (
    select array_agg(e.position order by e.number) as positions, array_agg(e.digest order by e.number) as digests
    from unnest($2::bigint[], $3::uuid[], $4::bytea[]) with ordinality as e (position, uid, digest, number)
    where not exists (select from dispatches where uid = e.uid and state in ('open', 'waiting', 'queued', 'gathering'))
      and not exists (select from dead_letters where uid = e.uid and state || '' = 'open')
      and not exists (select from runs where uid = e.uid and state || '' = 'open')
      and not is_given_later(e.uid)
)
select f.positions[r.looked + 1:] as rest
from free f, lateral remove_bodies($1, f.positions, f.digests, $5, $6, $7) as r
where f.positions is not null
