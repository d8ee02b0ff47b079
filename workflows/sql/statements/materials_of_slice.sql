-- What was made, or may have been made, of a slice.
-- $1 environment; $2 owner
SELECT location FROM environment_materials WHERE environment = $1 AND owner = $2 ORDER BY location
