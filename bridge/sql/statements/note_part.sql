-- A part of an archive, which is written. A part of the same number was not noted before.
-- $1 removal, $2 number, $3 name, $4 events, $5 first, $6 last, $7 bytes, $8 sha256, $9 rows_sha256, $10 through
insert into archive_parts (removal, number, name, events, first, last, bytes, sha256, rows_sha256, through)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
