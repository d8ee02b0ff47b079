-- Record a plan; the same plan is recorded once.
-- $1 id; $2 environment; $3 owner; $4 plan, JSON
INSERT INTO environment_plans (id, environment, owner, plan)
VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO NOTHING
