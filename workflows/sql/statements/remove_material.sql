-- Forget what was removed.
-- $1 location
DELETE FROM environment_materials WHERE location = $1
