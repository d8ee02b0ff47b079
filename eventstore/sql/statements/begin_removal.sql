-- A new removal; returns its id.
-- $1 kind, $2 selection, $3 who, $4 why, $5 through, $6 the position after which it begins, $7 URL of the archive
INSERT INTO removals (kind, selection, who, why, incarnation, through, position, archive)
SELECT $1, $2::jsonb, $3, $4, i.id, $5, $6, $7 FROM store_incarnation AS i
RETURNING id
