-- Replace the state of a slice.
-- $1 environment; $2 owner; $3 revision; $4 state, JSON
INSERT INTO environment_slices (environment, owner, revision, state)
VALUES ($1, $2, $3, $4)
ON CONFLICT (environment, owner) DO UPDATE SET revision = excluded.revision, state = excluded.state
