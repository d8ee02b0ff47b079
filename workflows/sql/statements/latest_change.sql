-- The latest committed change of a kind under a key.
-- $1 environment; $2 owner; $3 key; $4 what
SELECT entry FROM environment_changes
WHERE environment = $1 AND owner = $2 AND key = $3 AND what = $4 AND committed
ORDER BY revision DESC
LIMIT 1
