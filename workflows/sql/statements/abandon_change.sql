-- Delete the journal of a change that was undone.
-- $1 environment; $2 owner
DELETE FROM environment_changes WHERE environment = $1 AND owner = $2 AND NOT committed
