-- The sizes of some tables with their indexes, and their rows, living and dead, as autovacuum counts them.
-- $1 names text[]
select s.relname as name, pg_total_relation_size(s.relid) as bytes, s.n_live_tup as live, s.n_dead_tup as dead,
       greatest(s.last_vacuum, s.last_autovacuum) as vacuumed_at
from pg_stat_user_tables s
where s.relid = any (select to_regclass(name)::oid from unnest($1::text[]) as t (name))
order by s.relname
