-- Those of some events for which intake has decided before what they lead to.
-- $1 uids uuid[]
select distinct uid from deliveries where uid = any ($1::uuid[]) and verdict in ('matched', 'unmatched')
