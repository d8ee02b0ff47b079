-- The ports that services of a machine have.
-- $1 machine
SELECT port, control_port FROM services WHERE machine = $1 AND port IS NOT NULL
