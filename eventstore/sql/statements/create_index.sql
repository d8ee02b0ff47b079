-- The statements that build an index of an expression over events, and say of what it is.
-- $1 its name; $2 the expression; $3 what it was asked for as
SELECT sql
FROM (VALUES
    (1, format('CREATE INDEX CONCURRENTLY %I ON events (%s, position)', $1::text, $2::text)),
    (2, format('COMMENT ON INDEX %I IS %L', $1::text, $3::text))
) AS statements (number, sql)
ORDER BY number
