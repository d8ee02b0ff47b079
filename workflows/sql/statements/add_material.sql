-- Record what will be made.
-- $1 location; $2 environment; $3 owner; $4 name of the resource
INSERT INTO environment_materials (location, environment, owner, name)
VALUES ($1, $2, $3, $4)
ON CONFLICT (location) DO NOTHING
