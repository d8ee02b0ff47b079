-- The number of the latest dead letter; 0 if there is none.
select coalesce(max(id), 0) from dead_letters
