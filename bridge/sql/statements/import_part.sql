-- Store an imported part of an archive.
-- $1 the part as JSON
insert into archive_parts select (json_populate_record(null::archive_parts, $1::json)).*
