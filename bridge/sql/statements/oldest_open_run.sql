-- When the oldest watched run of a namespace was inserted; null if no run is watched.
-- $1 namespace text
select min(noted_at) from runs where state = 'open' and namespace = $1
