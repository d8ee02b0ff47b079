-- Puts the dispatches that this transaction inserted as gathering into windows (see migrations/0009_windows.sql).
-- Returns the windows that closed: the dispatch that calls for each.
select dispatch, route, events, closed_by from join_windows(clock_timestamp())
