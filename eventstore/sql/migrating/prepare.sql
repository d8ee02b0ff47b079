-- Wait for another migrating process, then create the table of applied migrations if needed.
-- (The lock's key is the SHA-256 of "eventstore.migrate", its first eight bytes.)
SELECT pg_advisory_xact_lock(6869626917228044656);
CREATE TABLE IF NOT EXISTS schema_migrations (
    component   text NOT NULL,
    number      integer NOT NULL CHECK (number > 0),
    name        text NOT NULL,
    digest      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (component, number)
);
