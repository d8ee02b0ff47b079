-- Frees the slots that nothing holds, and grants what is free (see migrations/0010_slots.sql).
-- $1 how many slots and how many keys at most int
select freed, granted from sweep_slots($1)
