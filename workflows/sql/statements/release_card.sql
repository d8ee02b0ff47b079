-- The card of a release, as JSON.
-- $1 environment; $2 service; $3 release
SELECT card FROM releases WHERE environment = $1 AND service = $2 AND release = $3
