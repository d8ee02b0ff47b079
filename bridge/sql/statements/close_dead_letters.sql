-- Closes open dead letters, and records who did it and why.
-- $1 ids bigint[]   $2 state text: redriven or dropped   $3 who text   $4 detail text
-- $5 uid uuid of the event, if it is known now
with closed as (
    update dead_letters
    set state = $2, closed_at = clock_timestamp(), uid = coalesce(uid, $5)
    where id = any ($1::bigint[]) and state = 'open'
    returning id
), noted as (
    insert into dead_letter_history (letter, what, who, detail)
    select id, $2, $3, $4 from closed
)
select id from closed order by id
