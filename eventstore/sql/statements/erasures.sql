-- The removals that erased.
SELECT id FROM removals WHERE kind = 'erased'
