-- Locks an open dead letter until the transaction ends; no row if it is closed or unknown.
-- $1 id bigint
select l.*, octet_length(l.payload) as payload_bytes
from dead_letters l
where l.id = $1 and l.state = 'open'
for update
