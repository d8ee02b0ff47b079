-- One dead letter with all its columns.
-- $1 id bigint
select l.*, octet_length(l.payload) as payload_bytes from dead_letters l where l.id = $1
