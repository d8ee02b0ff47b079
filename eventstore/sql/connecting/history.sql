-- A primary's cluster and timeline; each promotion raises the timeline.
SELECT (SELECT c.system_identifier FROM pg_control_system() AS c) AS system,
       ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::integer AS timeline
