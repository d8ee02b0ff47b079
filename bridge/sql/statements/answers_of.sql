-- What intake answered for some events, as far as that is kept; the best answer of each.
-- $1 uids uuid[]
select uid, bool_or(verdict = 'matched') as matched
from deliveries
where uid = any ($1::uuid[])
group by uid
