-- Draw the next positions after this one; for a store that was filled by COPY.
-- $1 position
SELECT setval(pg_get_serial_sequence('events', 'position'), $1)
