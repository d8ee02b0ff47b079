-- Serialise the claims of names in an environment until the transaction ends.
-- $1 environment
SELECT pg_advisory_xact_lock(hashtextextended('environments/' || $1::text, 0))
