-- The open dead letters by failure: stage, code, route and shape of the reason; most frequent first.
-- $1 most groups int
select stage, code, route, shape, count(*) as letters,
       min(recorded_at) as first, max(recorded_at) as last
from dead_letters
where state = 'open'
group by stage, code, route, shape
order by letters desc, last desc
limit $1
