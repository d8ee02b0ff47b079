-- Whether anything has ever been migrated here.
SELECT to_regclass('schema_migrations') IS NOT NULL
