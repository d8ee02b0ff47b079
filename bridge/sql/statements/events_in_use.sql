-- Of some events, those that something still needs, and what: their bodies must stay.
-- $1 uids
select u.uid, case
           when d.uid is not null or is_given_later(u.uid) then 'an open dispatch'
           when l.uid is not null then 'an open dead letter'
           else 'an open run'
       end as use
from unnest($1::uuid[]) as u (uid)
left join lateral (
    select uid from dispatches where uid = u.uid and state in ('open', 'waiting', 'queued', 'gathering') limit 1
) as d on true
left join lateral (select uid from dead_letters where uid = u.uid and state || '' = 'open' limit 1) as l on true
left join lateral (select uid from runs where uid = u.uid and state || '' = 'open' limit 1) as r on true
where coalesce(d.uid, l.uid, r.uid) is not null or is_given_later(u.uid)
