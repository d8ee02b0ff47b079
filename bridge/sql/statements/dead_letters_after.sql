-- The dead letters after a number, in order, with the columns of one output line.
-- $1 number bigint
select id, stage, code, reason, recorded_at from dead_letters where id > $1 order by id
