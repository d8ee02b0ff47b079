-- Whether a source was read before, also from an earlier stream of this name.
-- $1 stream text   $2 consumer text
select exists (select from source_progress where stream = $1 and consumer = $2)
