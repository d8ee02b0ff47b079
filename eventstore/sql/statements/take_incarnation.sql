-- Be the history that another store was: for one that is moved, and goes on here alone.
-- $1 incarnation
UPDATE store_incarnation SET id = $1, since = clock_timestamp()
