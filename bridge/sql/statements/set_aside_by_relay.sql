-- Which of some events the relay has set aside, in any state of the letter.
-- $1 uids uuid[]
select distinct uid from dead_letters where stage = 'relay' and uid = any ($1::uuid[])
