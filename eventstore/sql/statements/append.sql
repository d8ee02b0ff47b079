-- Judge a batch of appends and write the accepted ones (see migrations/0002_append.sql).
-- $1 atomic; $2 sources that may have to be listed, or NULL; $3–$5 an entry a member: stream, expected
-- version, number of events; $6 the events.
-- Returns one row: outcomes (a letter a member), bases (a version a member), positions of what was
-- written, and which of the sources were listed before.
SELECT outcomes, bases, positions, listed FROM append_events($1, $2, $3, $4, $5, $6)
