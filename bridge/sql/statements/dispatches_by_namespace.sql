-- How many dispatches that have met their run are for other namespaces than some, by namespace.
-- $1 after this position bigint   $2 through this one bigint   $3 the namespaces text[]
select namespace, count(*) as dispatches
from dispatches
where position > $1 and position <= $2 and run_id is not null
  and state in ('done', 'duplicate')
  and namespace <> all ($3::text[])
group by namespace
order by namespace
