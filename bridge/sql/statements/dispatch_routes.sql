-- The names of all routes that have dispatched anything.
select distinct route from dispatches
