-- Record an applied migration.
-- $1 component; $2 number; $3 name; $4 digest
INSERT INTO schema_migrations (component, number, name, digest) VALUES ($1, $2, $3, $4)
