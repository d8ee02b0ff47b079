-- Nothing: the session is still there.
SELECT 1
