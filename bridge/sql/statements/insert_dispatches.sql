-- Inserts the plan of a batch of events (see migrations/0011_recording.sql).
-- $1 uids uuid[]   $2 positions bigint[]   $3 plan planned_dispatch[]
-- $4 replay that plans them uuid, null at intake
-- $5 whether to return fresh dispatches boolean
select * from insert_dispatches($1, $2, $3, $4, $5)
