-- Whether any row was ever deleted.
SELECT EXISTS (SELECT FROM deleted_events)
