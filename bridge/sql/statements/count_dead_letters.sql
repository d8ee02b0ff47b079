-- Counts the letters of a selection by what is wrong with them, and the last id among them.
-- $1 … $9 selection as in dead_letter_matches
select l.stage, l.code, l.route, count(*) as letters, max(l.id) as last_id
from dead_letters l
where dead_letter_matches(l, $1::bigint[], $2, $3, $4, $5, $6, $7, $8, $9)
group by l.stage, l.code, l.route
order by letters desc, l.stage, l.code, l.route
