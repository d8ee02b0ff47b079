-- Those of these names in an environment that belong to another owner.
-- $1 environment; $2 owner; $3 names
SELECT DISTINCT name, owner FROM environment_materials
WHERE environment = $1 AND owner <> $2 AND name = ANY ($3::text[])
ORDER BY name
