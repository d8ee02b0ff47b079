-- Decides who of the queued dispatches gets a slot (see migrations/0010_slots.sql), if this role may: a daemon does
-- it for a console.
-- Returns how many slots were granted.
select admitted.granted
from (select where has_table_privilege('slots', 'insert')) as may
cross join lateral (select admit_to_slots() as granted) as admitted
