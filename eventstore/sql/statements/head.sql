-- The highest position that is visible now; 0 when the store is empty.
SELECT coalesce(max(position), 0) FROM events
