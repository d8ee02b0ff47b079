-- Fail unless all these leases are held by one owner, and keep it so until the transaction ends.
-- In the order of their names, so that two transactions cannot wait for each other.
-- $1 names text[]; $2 owner; $3 epochs bigint[]; $4 how long the transaction may idle
SELECT assert_lease(mine.name, $2, mine.epoch, $4)
FROM (SELECT * FROM unnest($1::text[], $3::bigint[]) AS given (name, epoch) ORDER BY name) AS mine
