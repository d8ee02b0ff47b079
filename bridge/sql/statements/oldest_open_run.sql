-- When the oldest of the watched runs of a namespace was noted; null when none is watched.
-- $1 namespace text
select min(noted_at) from runs where state = 'open' and namespace = $1
