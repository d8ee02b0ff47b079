-- Record that a service runs nowhere.
-- $1 environment; $2 service
UPDATE services SET machine = NULL, address = NULL, port = NULL, control_port = NULL, token = NULL
WHERE environment = $1 AND service = $2
