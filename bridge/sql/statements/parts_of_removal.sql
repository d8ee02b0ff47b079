-- The parts of a removal's archive, in their order.
-- $1 removal
select number, name, events, first, last, bytes, sha256, rows_sha256, through, removed
from archive_parts
where removal = $1
order by number
