-- Append one event in its own transaction (see migrations/0002_append.sql).
-- $1 stream; $2 expected version; $3–$11 the columns.
-- Returns one row with one value, a record: outcome, base, position. In the select list, not in
-- FROM: the server then makes no set of it (6 µs).
SELECT append_one($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
