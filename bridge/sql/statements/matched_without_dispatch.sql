-- Events that matched a route when they were recorded and have no dispatch now.
-- $1 after this position bigint   $2 through this one bigint   $3 how many int
select e.position, e.uid, e.envelope ->> 'id' as id, e.type, e.recorded_at
from events e
where e.position > $1 and e.position <= $2
  and exists (select from deliveries d where d.uid = e.uid and d.verdict = 'matched')
  and not exists (select from dispatches x where x.uid = e.uid)
order by e.position
limit $3
