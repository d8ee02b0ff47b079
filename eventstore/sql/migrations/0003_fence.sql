-- fence_mark: how far positions have been drawn, and who may still be writing below that.
--
-- The first statement reads the sequence; the second, later one, the transactions that hold the
-- lock every INSERT takes before it draws. When all of them have ended, everything at or below
-- last is final. Neither read goes through a snapshot. The argument: eventstore/subscription.py.
CREATE FUNCTION fence_mark(OUT last bigint, OUT holders text[]) LANGUAGE plpgsql AS $$
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
END
$$;

-- events_channel: the NOTIFY channel of this very table; schemas of one database never share it.
CREATE FUNCTION events_channel() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'eventstore_' || 'events'::regclass::oid::text
$$;
