-- Of some events, the positions of those whose bodies a removal has taken.
-- $1 removal, $2 positions
select position from events where position = any ($2::bigint[]) and removal = $1
