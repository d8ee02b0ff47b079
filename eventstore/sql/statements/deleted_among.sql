-- Of some positions, those of events whose rows were deleted.
-- $1 positions
SELECT g.position FROM unnest($1::bigint[]) AS g (position) WHERE was_deleted(g.position)
