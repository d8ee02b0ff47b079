-- Inserts the verdict of each message of a batch, and saves how far its source is recorded (see
-- migrations/0011_recording.sql).
-- $1 streams text[]   $2 streams' creation times timestamptz[]   $3 sequences bigint[]
-- $4 topics text[]    $5 verdicts text[]                         $6 uids uuid[]
-- The last message:
-- $7 stream text   $8 the stream's creation time timestamptz   $9 consumer text
-- $10 sequence bigint   $11 when the stream stored it, in nanoseconds since 1970, bigint
select insert_deliveries($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
