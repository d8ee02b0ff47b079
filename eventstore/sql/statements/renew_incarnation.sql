-- Begin a new incarnation: what every restore of a backup should be followed by.
UPDATE store_incarnation SET id = gen_random_uuid(), since = clock_timestamp() RETURNING id
