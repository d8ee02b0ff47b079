-- The time such that rows of events recorded before it may be deleted; null if no rows are.
SELECT max((selection ->> 'before')::timestamptz) FROM removals WHERE kind = 'deleted'
