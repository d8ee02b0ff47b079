-- Puts the dispatches that this transaction inserted as gathering into one window, and closes it
-- (see migrations/0009_windows.sql). Returns the dispatch that calls.
select dispatch, route, events, closed_by from join_one_window(clock_timestamp())
