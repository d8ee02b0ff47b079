-- The change of a slice that is not committed.
-- $1 environment; $2 owner
SELECT entry FROM environment_changes WHERE environment = $1 AND owner = $2 AND NOT committed
