-- The database's time. Ages and deadlines use it, because clocks of machines differ.
select clock_timestamp()
