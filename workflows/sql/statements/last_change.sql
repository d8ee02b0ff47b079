-- The last committed change of a slice.
-- $1 environment; $2 owner
SELECT entry FROM environment_changes
WHERE environment = $1 AND owner = $2 AND committed
ORDER BY revision DESC
LIMIT 1
