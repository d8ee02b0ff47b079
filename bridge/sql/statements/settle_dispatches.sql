-- Writes the outcomes of dispatches (see migrations/0012_settling.sql).
-- $1 ids bigint[]   $2 states text[]      $3 run ids text[]   $4 errors text[]
-- $5 seconds until the next attempt float8[], for open and waiting ones
-- $6 daemon text
-- $7 whether the closure event omits the result boolean[]; null: no closure event
-- $8 names of the leases text[]   $9 their epochs bigint[]   $10 how long the transaction may idle
-- Returns how many waiting or queued dispatches became due.
select settle_dispatches($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
