-- Begin a new incarnation; required after every restore of a backup.
UPDATE store_incarnation SET id = gen_random_uuid(), since = clock_timestamp() RETURNING id
