-- Store an imported part of the positions of deleted rows.
-- $1 the part as JSON
INSERT INTO deleted_events SELECT (json_populate_record(NULL::deleted_events, $1::json)).*
