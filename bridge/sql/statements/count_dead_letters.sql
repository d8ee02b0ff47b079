-- Counts the dead letters of a selection by stage, code and route; also returns the last id.
-- $1 … $9 selection as in dead_letter_matches
select l.stage, l.code, l.route, count(*) as letters, max(l.id) as last_id
from dead_letters l
where dead_letter_matches(l, $1::bigint[], $2, $3, $4, $5, $6, $7, $8, $9)
group by l.stage, l.code, l.route
order by letters desc, l.stage, l.code, l.route
