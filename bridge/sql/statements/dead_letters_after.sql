-- The dead letters after one, in order, with what a line about them says.
-- $1 number bigint
select id, stage, code, reason, recorded_at from dead_letters where id > $1 order by id
