-- The number of open dispatches of a namespace in all partitions, and the bytes of their calls; without
-- those of paused routes, for which intake does not wait.
-- $1 namespace text
select dispatches, bytes from open_backlog($1)
