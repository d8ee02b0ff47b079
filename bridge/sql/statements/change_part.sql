-- A part that was written again, with fewer events.
-- $1 removal, $2 number, $3 name, $4 events, $5 bytes, $6 sha256, $7 rows_sha256
update archive_parts set name = $3, events = $4, bytes = $5, sha256 = $6, rows_sha256 = $7
where removal = $1 and number = $2
