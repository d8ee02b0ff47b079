-- What is paused.
select kind, name, since, who, reason from pauses order by kind desc, name
