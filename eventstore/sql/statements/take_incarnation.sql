-- Take over the incarnation of another store, which was moved here.
-- $1 incarnation
UPDATE store_incarnation SET id = $1, since = clock_timestamp()
