-- Reserve a port for an endpoint; no row if another endpoint has it.
-- $1 port; $2 environment; $3 owner; $4 name
INSERT INTO environment_ports AS p (port, environment, owner, name)
VALUES ($1, $2, $3, $4)
ON CONFLICT (port) DO UPDATE SET port = excluded.port
    WHERE (p.environment, p.owner, p.name) = (excluded.environment, excluded.owner, excluded.name)
RETURNING port
