-- Delete a service's rules; with a key, only those that were set up under it.
-- $1 environment; $2 service; $3 key or null
DELETE FROM monitoring_rules
WHERE environment = $1 AND service = $2 AND ($3::text IS NULL OR key = $3)
RETURNING key
