-- Writes the outcomes of checks of runs (see migrations/0012_settling.sql).
-- $1 run ids text[]   $2 states text[]   $3 latest runs text[]   $4 reasons text[]
-- $5 pauses in seconds float8[], null: computed from the age
-- Returns how many dispatches got a slot.
select settle_runs($1, $2, $3, $4, $5)
