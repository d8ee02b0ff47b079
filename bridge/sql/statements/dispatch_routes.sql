-- The names of all routes that have dispatches.
select distinct route from dispatches
