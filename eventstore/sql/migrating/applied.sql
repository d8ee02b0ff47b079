-- The applied migrations of these components.
-- $1 components (text[])
SELECT component, number, name, digest FROM schema_migrations WHERE component = ANY ($1::text[]) ORDER BY component, number
