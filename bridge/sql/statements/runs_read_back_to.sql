-- The time back to which list_runs reads; null if it reads all that is left.
-- $1 before this time timestamptz   $2 most rows to read int
select noted_at from runs where noted_at < $1 order by noted_at desc offset $2 - 1 limit 1
