-- Those of some messages of a stream that intake has answered.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 sequences bigint[]
select sequence from deliveries
where stream = $1 and stream_created = $2 and sequence = any ($3::bigint[])
