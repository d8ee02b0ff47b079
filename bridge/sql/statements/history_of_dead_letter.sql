-- The actions on a dead letter, in order.
-- $1 letter bigint
select at, what, who, detail from dead_letter_history where letter = $1 order by id
