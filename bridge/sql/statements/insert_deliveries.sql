-- Inserts the verdict of each message of a batch of one stream, and saves how far its source is recorded (see
-- migrations/0011_recording.sql).
-- $1 sequences bigint[]   $2 topics text[]   $3 verdicts text[]   $4 uids uuid[]
-- The last message:
-- $5 stream text   $6 the stream's creation time timestamptz   $7 consumer text
-- $8 sequence bigint   $9 when the stream stored it, in nanoseconds since 1970, bigint
select insert_deliveries($1, $2, $3, $4, $5, $6, $7, $8, $9)
