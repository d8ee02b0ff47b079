-- Those of some events that the relay has set aside, whatever became of the letter.
-- $1 uids uuid[]
select distinct uid from dead_letters where stage = 'relay' and uid = any ($1::uuid[])
