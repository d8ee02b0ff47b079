-- The database's time, by which ages and deadlines are judged: machines whose clocks differ agree.
select clock_timestamp()
