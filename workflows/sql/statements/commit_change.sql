-- Mark the unfinished change of a slice as committed.
-- $1 environment; $2 owner; $3 revision after it
UPDATE environment_changes SET committed = true
WHERE environment = $1 AND owner = $2 AND revision = $3 AND NOT committed
