-- Closes windows whose time is over (see migrations/0009_windows.sql).
-- $1 partitions smallint[]   $2 how many int
-- Returns the windows that closed: the dispatch that calls for each.
select dispatch, route, events, closed_by from close_due_windows(clock_timestamp(), $1::smallint[], $2)
