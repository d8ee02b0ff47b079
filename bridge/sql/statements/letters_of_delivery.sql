-- The dead letters of one message.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 sequence bigint
select id from dead_letters
where stage = 'intake' and stream = $1 and stream_created = $2 and sequence = $3
