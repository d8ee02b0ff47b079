-- The number of the latest dead letter, 0 when there is none.
select coalesce(max(id), 0) from dead_letters
