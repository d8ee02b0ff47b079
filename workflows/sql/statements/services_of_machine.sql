-- All services that run on a machine, or ran there.
-- $1 machine
SELECT environment, service, current, machine, address, port, control_port, token
FROM services WHERE machine = $1 ORDER BY environment, service
