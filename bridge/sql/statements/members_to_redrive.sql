-- The events of a window whose call is redriven, in order, each with its next generation; without those that were
-- planned again since.
-- $1 ids of their dispatches bigint[]
select d.uid, d.generation + 1 as generation
from dispatches d
where d.id = any ($1::bigint[])
  and not exists (
      select from dispatches later
      where later.uid = d.uid and later.route = d.route and later.generation > d.generation
  )
order by d.position, d.id
