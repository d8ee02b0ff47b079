-- Puts the dispatches that were inserted as gathering into windows (see migrations/0009_windows.sql), if this role may: a
-- daemon does it for a console.
-- Returns the windows that closed: the dispatch that calls for each.
select closed.dispatch, closed.route, closed.events, closed.closed_by
from (select where has_table_privilege('windows', 'insert')) as may
cross join lateral join_windows(clock_timestamp()) as closed
