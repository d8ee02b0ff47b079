-- Removals, latest first.
-- $1 whether only those that are not finished, $2 the most rows
SELECT id, kind, selection::text AS selection, who, why, incarnation, through, position, events, archive,
       remarks::text AS remarks, began_at, finished_at
FROM removals
WHERE NOT $1::boolean OR finished_at IS NULL
ORDER BY id DESC
LIMIT $2
