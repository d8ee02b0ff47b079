-- Refuse further provisioning under a key; a change that was undone stays undone.
-- $1 environment; $2 owner; $3 key; $4 whether a change was undone
INSERT INTO environment_closed_keys (environment, owner, key, undone)
VALUES ($1, $2, $3, $4)
ON CONFLICT (environment, owner, key)
DO UPDATE SET undone = environment_closed_keys.undone OR excluded.undone
