-- Dispatches of a namespace whose run is known.
-- $1 after this id bigint   $2 after this position bigint   $3 through this one bigint
-- $4 how many int   $5 namespace text
select id, uid, position, route, operation, target, run_id, settled_at
from dispatches
where id > $1 and position > $2 and position <= $3 and run_id is not null
  and namespace = $5
  and state in ('done', 'duplicate')
order by id
limit $4
