-- The events, of those given, that have a dead letter of the relay in any state.
-- $1 uids uuid[]
select distinct uid from dead_letters where stage = 'relay' and uid = any ($1::uuid[])
