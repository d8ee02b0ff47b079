-- When the oldest of the watched runs was noted; null when none is watched.
select min(noted_at) from runs where state = 'open'
