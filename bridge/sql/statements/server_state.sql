-- The state of the database server: whether it accepts writes, and what will stop it.
-- Ordinary users see most columns of pg_stat_activity as null, but datid and the number of rows.
select current_setting('server_version') as version,
       pg_is_in_recovery() as in_recovery,
       current_setting('transaction_read_only') = 'on' as read_only,
       clock_timestamp() as now,
       (select count(*) from pg_stat_activity where datid is not null)::int as connections,
       (current_setting('max_connections')::int
           - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0)) as usable,
       (select max(age(datfrozenxid)) from pg_database)::bigint as xid_age,
       current_setting('synchronous_standby_names') <> ''
           and current_setting('synchronous_commit') not in ('off', 'local')
           and not exists (select from pg_stat_replication) as without_standby
