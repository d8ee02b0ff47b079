-- Serialise learning and forgetting of one run until the transaction ends.
-- $1 key
SELECT pg_advisory_xact_lock(hashtextextended('patterns/' || $1::text, 0))
