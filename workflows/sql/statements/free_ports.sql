-- Free the ports of a slice, except these.
-- $1 environment; $2 owner; $3 names of endpoints; $4 the port of each
DELETE FROM environment_ports
WHERE environment = $1 AND owner = $2
  AND (name, port) NOT IN (SELECT * FROM unnest($3::text[], $4::integer[]))
