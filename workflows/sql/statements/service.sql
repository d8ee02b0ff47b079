-- A service: its release in force, and where it runs.
-- $1 environment; $2 service
SELECT environment, service, current, machine, address, port, control_port, token
FROM services WHERE environment = $1 AND service = $2
