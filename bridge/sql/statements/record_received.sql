-- Records a batch of messages about which nothing remains to be decided (see migrations/0011_recording.sql).
-- $1 lease, $2 owner, $3 epoch, $4 how long the transaction may idle
-- $5 to $9 of append_events
-- $10 event of each dispatch integer[]   $11 plan planned_dispatch[]
-- $12 whether to return fresh dispatches   $13 whether some join a window   $14 whether some ask for a slot
-- $15 to $17 and $19 to $23 of insert_deliveries   $18 event of each message integer[], null: it has none
-- Returns the outcomes and bases of the events in the first row, and then the fresh dispatches.
select * from record_received(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
