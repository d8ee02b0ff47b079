-- Append one event (see migrations/0002_append.sql).
-- $1 stream; $2 expected version; $3–$23 the columns.
-- Returns one row, in the shape of append: outcomes, bases, positions.
SELECT outcome AS outcomes, ARRAY[base] AS bases, ARRAY[new_position] AS positions
FROM append_one(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
    $21, $22, $23)
