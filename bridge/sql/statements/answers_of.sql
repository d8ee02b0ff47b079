-- The verdicts on the deliveries of events, while these rows are kept; the best verdict of each event.
-- $1 uids uuid[]
select uid, bool_or(verdict = 'matched') as matched
from deliveries
where uid = any ($1::uuid[])
group by uid
