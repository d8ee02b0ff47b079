-- The positions above which no body may be removed, lowest first, and what needs the events above.
-- A relay without a checkpoint has sent nothing yet.
-- $1 name of the relay's checkpoint
select 'the checkpoint ' || c.name as use, c.position
from checkpoints c join store_incarnation i on c.incarnation = i.id
union all
select 'the replay ' || r.id, r.position
from replays r join store_incarnation i on r.incarnation = i.id
where r.state = 'open' and r.position < r.through
union all
select 'the relay, which has no checkpoint yet', 0
where not exists (select from checkpoints where name = $1) and exists (select from events where emitted)
order by position
