-- Serialise changes of a service's rules until the transaction ends.
-- $1 environment; $2 service
SELECT pg_advisory_xact_lock(hashtextextended('monitoring/' || $1::text || '/' || $2::text, 0))
