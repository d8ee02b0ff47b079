-- Which history this is.
SELECT id FROM store_incarnation
