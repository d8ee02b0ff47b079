-- Records a batch of messages about which nothing remains to be decided (see migrations/0011_recording.sql).
-- $1 lease, $2 owner, $3 epoch, $4 how long the transaction may idle
-- $5 to $9 of append_events; $10 to $30 of insert_dispatches; $31 to $41 of insert_deliveries
-- Returns the outcomes and bases of the events in the first row, and then the fresh dispatches.
select * from record_received(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
    $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41)
