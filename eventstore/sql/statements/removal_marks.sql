-- How far each removal has come: equal while none of them notes progress.
SELECT id, position, events, finished_at IS NOT NULL AS finished FROM removals ORDER BY id
