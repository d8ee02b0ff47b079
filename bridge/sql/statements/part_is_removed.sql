-- The bodies of a part are out of the log.
-- $1 removal, $2 number
update archive_parts set removed = true where removal = $1 and number = $2
