-- The positions of a time range: (after, through], both 0 if it is empty.
-- $1 since; $2 until
SELECT after, through FROM positions_between($1, $2)
