-- Deletes runs whose closures were recorded before a time; returns how many.
-- $1 time timestamptz   $2 limit int
with removed as (
    delete from runs
    where run_id in (
        select run_id from runs where state <> 'open' and ended_at < $1 order by ended_at limit $2
    )
    returning run_id
)
select count(*) from removed
