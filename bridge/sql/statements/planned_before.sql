-- The events, of those given, for which intake has already made a plan.
-- $1 uids uuid[]
select distinct uid from deliveries where uid = any ($1::uuid[]) and verdict in ('matched', 'unmatched')
