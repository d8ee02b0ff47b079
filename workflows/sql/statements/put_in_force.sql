-- Make a release the one in force; null for none.
-- $1 environment; $2 service; $3 release
INSERT INTO services (environment, service, current) VALUES ($1, $2, $3)
ON CONFLICT (environment, service) DO UPDATE SET current = excluded.current
