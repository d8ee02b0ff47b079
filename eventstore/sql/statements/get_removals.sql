-- Removals by their ids.
-- $1 ids
SELECT id, kind, selection::text AS selection, who, why, incarnation, through, position, events, archive,
       remarks::text AS remarks, began_at, finished_at
FROM removals
WHERE id = ANY ($1::bigint[])
