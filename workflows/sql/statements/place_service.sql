-- Record where a service runs, before its supervisor is started.
-- $1 environment; $2 service; $3 machine; $4 address; $5 port; $6 control port; $7 token
INSERT INTO services (environment, service, machine, address, port, control_port, token)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (environment, service) DO UPDATE
SET machine = excluded.machine, address = excluded.address, port = excluded.port,
    control_port = excluded.control_port, token = excluded.token
