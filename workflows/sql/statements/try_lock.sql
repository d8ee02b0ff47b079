-- Take a lock for this session, if it is free.
-- $1 name
SELECT pg_try_advisory_lock(hashtextextended('workflows/' || $1::text, 0))
