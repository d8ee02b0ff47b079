-- The ids of the next dead letters of a selection, oldest first.
-- $1 … $9 selection as in dead_letter_matches
-- $10 after this id bigint   $11 through this id bigint   $12 how many int
select l.id
from dead_letters l
where l.id > $10 and l.id <= $11
  and dead_letter_matches(l, $1::bigint[], $2, $3, $4, $5, $6, $7, $8, $9)
order by l.id
limit $12
