-- Fail unless the lease is held under this epoch; block a takeover until the transaction ends.
-- $1 name; $2 owner; $3 epoch; $4 how long the transaction may idle
SELECT assert_lease($1, $2, $3, $4)
