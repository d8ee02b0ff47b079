-- Reads the next dispatches in the order of their ids, and deletes those settled before a time. Two
-- kinds are kept: a dispatch with an open dead letter (or that went into its call), and every generation of a dispatch
-- that was reopened, so that no generation is used twice. So is what goes into a call that is not made yet,
-- and what holds a slot.
-- $1 after this id bigint   $2 time timestamptz   $3 how many to read int
with looked as materialized (
    select id, uid, route, generation, planned_at, settled_at
    from dispatches
    where id > $1
    order by id
    limit $3
), removed as (
    delete from dispatches d
    using looked l
    where d.id = l.id and l.settled_at < $2 and l.generation = 1
      and not exists (
          select from dispatches later
          where later.uid = l.uid and later.route = l.route and later.generation > 1
      )
      and not exists (
          select from dead_letters x
          where x.uid = l.uid and x.route = l.route and x.stage = 'dispatch' and x.state || '' = 'open'
      )
      and not (d.state = 'merged' and is_given_later(d.uid))
      and not exists (select from slots s where s.dispatch = d.id)
    returning d.id
)
select count(*) as looked, (select count(*) from removed) as removed, max(id) as last,
       coalesce(bool_and(planned_at >= $2), true) as all_younger
from looked
