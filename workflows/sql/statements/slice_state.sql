-- The state of a slice after its last committed change, as JSON.
-- $1 environment; $2 owner
SELECT state FROM environment_slices WHERE environment = $1 AND owner = $2
