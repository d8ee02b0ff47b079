-- Whether a key is closed, and if so, whether a change was undone; no row if it is open.
-- $1 environment; $2 owner; $3 key
SELECT undone FROM environment_closed_keys WHERE environment = $1 AND owner = $2 AND key = $3
