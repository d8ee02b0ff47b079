-- Make a machine the one that the local deployer serves, unless there is one.
-- $1 machine
INSERT INTO service_machine (machine) VALUES ($1)
ON CONFLICT (one) DO NOTHING
