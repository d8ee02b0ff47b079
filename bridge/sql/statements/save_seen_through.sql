-- Saves up to which sequence of the stream every message of a source is recorded.
-- $1 stream text   $2 the stream's creation time timestamptz   $3 consumer text   $4 sequence bigint
update source_progress set seen_through = $4
where stream = $1 and stream_created = $2 and consumer = $3
