-- Corrects the verdict of a delivery after a redrive has recorded its event.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 sequence bigint
-- $4 verdict text  $5 uid uuid
update deliveries set verdict = $4, uid = $5
where stream = $1 and stream_created = $2 and sequence = $3
