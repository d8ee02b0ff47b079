-- The statement that drops an index while appends go on.
-- $1 its name
SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %I', $1::text) AS sql
