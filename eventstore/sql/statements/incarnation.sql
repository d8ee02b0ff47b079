-- The incarnation of the store.
SELECT id FROM store_incarnation
