-- Write the journal of a change.
-- $1 environment; $2 owner; $3 revision after it; $4 key; $5 what; $6 entry, JSON
INSERT INTO environment_changes (environment, owner, revision, key, what, entry)
VALUES ($1, $2, $3, $4, $5, $6)
