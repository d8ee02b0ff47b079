-- Of some events, those to which something refers, and what: their rows must stay.
-- $1 uids, $2 a time: a repeat that was recorded since may come again
select u.uid, case
           when d.uid is not null then 'a dispatch'
           when l.uid is not null then 'an open dead letter'
           when r.uid is not null then 'a run'
           else 'a later repeat'
       end as use
from unnest($1::uuid[]) as u (uid)
left join lateral (select uid from dispatches where uid = u.uid limit 1) as d on true
left join lateral (select uid from dead_letters where uid = u.uid and state || '' = 'open' limit 1) as l on true
left join lateral (select uid from runs where uid = u.uid limit 1) as r on true
left join lateral (select uid from deliveries where uid = u.uid and recorded_at >= $2 limit 1) as a on true
where coalesce(d.uid, l.uid, r.uid, a.uid) is not null
