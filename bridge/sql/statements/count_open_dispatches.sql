-- How many dispatches are open, in all partitions.
select count(*) from dispatches where state = 'open'
