-- Decides who of the queued dispatches gets a slot (see migrations/0010_slots.sql), if this role may: a daemon does
-- it for a console.
-- Returns how many slots were granted; null: it may not.
select case when has_table_privilege('slots', 'insert') then admit_to_slots() end as granted
