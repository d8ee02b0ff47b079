-- on_server: fail with EV003 unless this server is the one that was started at this moment; NULL
-- asks for none. What a reader concludes from one server's locks holds for that server only, and a
-- pool's connections may end on several. As a condition of a statement it is judged once, first.
CREATE FUNCTION on_server(p_started timestamptz) RETURNS boolean LANGUAGE plpgsql STABLE COST 1 AS $$
BEGIN
    IF p_started <> pg_postmaster_start_time() THEN
        RAISE EXCEPTION 'this database server, started %, is not the one whose locks were read, started %',
            pg_postmaster_start_time(), p_started USING ERRCODE = 'EV003';
    END IF;
    RETURN true;
END
$$;

-- fence_mark: as in 0003, and on which server it was read.
DROP FUNCTION fence_mark();
CREATE FUNCTION fence_mark(OUT last bigint, OUT holders text[], OUT server timestamptz) LANGUAGE plpgsql AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'the fence needs the primary: a standby does not see the writers'' locks'
            USING ERRCODE = 'read_only_sql_transaction';
    END IF;
    SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END INTO last FROM events_position_seq AS s;
    holders := ARRAY(
        SELECT DISTINCT l.virtualtransaction
        FROM pg_locks AS l
        WHERE l.locktype = 'relation'
          AND l.relation = 'events'::regclass
          AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
          AND l.mode = 'RowExclusiveLock'
          AND l.granted
    );
    server := pg_postmaster_start_time();
END
$$;
