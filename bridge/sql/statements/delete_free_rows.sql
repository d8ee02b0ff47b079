-- Delete the rows of those of some events to which nothing refers now; see the function delete_events. Which
-- events are needed is judged in the same statement, before the first row is locked.
-- $1 removal, $2 positions, $3 uids, $4 a time: a repeat that was recorded since may come again, $5 milliseconds
with free as materialized (
    select array_agg(e.position order by e.number) as positions
    from unnest($2::bigint[], $3::uuid[]) with ordinality as e (position, uid, number)
    where not exists (select from dispatches where uid = e.uid)
      and not exists (select from dead_letters where uid = e.uid and state || '' = 'open')
      and not exists (select from runs where uid = e.uid)
      and not exists (select from deliveries where uid = e.uid and recorded_at >= $4)
)
select f.positions[r.looked + 1:] as rest, r.deleted
from free f, lateral delete_events($1, f.positions, $5) as r
where f.positions is not null
