-- Locks that only a role with the right to write can hold.
--
-- Every login may take any advisory lock, and pg_locks shows which are in use. A role that may
-- only read could therefore stop a lease's holder or the appends to a stream. A row lock needs the
-- right to UPDATE the row.

-- assert_lease: fail with EV002 unless the lease is held under this epoch, and keep it so until
-- the transaction ends.
--
-- Fenced writes share a lock of the lease's row (KEY SHARE), and taking a lease over needs that
-- row alone (UPDATE): a successor appears only before this check, which then fails, or after this
-- transaction's end. Renewing does not touch the key, so it waits for nobody. A row that was
-- changed since this statement's snapshot is judged as it is now.
-- An owner frozen in mid-transaction is cut off by the server after p_patience, lest the
-- successor wait for it.
CREATE OR REPLACE FUNCTION assert_lease(p_name text, p_owner text, p_epoch bigint, p_patience text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('idle_in_transaction_session_timeout', p_patience, true);
    PERFORM FROM leases AS l
    WHERE l.name = p_name AND l.owner = p_owner AND l.epoch = p_epoch
    FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'lease "%" is no longer held by "%" under epoch %', p_name, p_owner, p_epoch
            USING ERRCODE = 'EV002';
    END IF;
END
$$;

-- acquire_lease: take a lease that nobody holds, or whose time is over by this server's clock.
-- Returns the new epoch, or NULL when it is held, or its last fenced write is still under way.
CREATE OR REPLACE FUNCTION acquire_lease(p_name text, p_owner text, p_ttl interval) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    taken bigint;
BEGIN
    PERFORM FROM leases AS l
    WHERE l.name = p_name AND l.owner IS NOT NULL AND l.expires_at > clock_timestamp();
    IF FOUND THEN
        PERFORM adjust_leases(p_name);
        RETURN NULL;
    END IF;
    PERFORM FROM leases AS l WHERE l.name = p_name FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND EXISTS (SELECT FROM leases AS l WHERE l.name = p_name) THEN
        RETURN NULL;
    END IF;
    INSERT INTO leases AS l (name, owner, epoch, acquired_at, expires_at, ttl)
    VALUES (p_name, p_owner, nextval('lease_epochs'),
            clock_timestamp(), clock_timestamp() + p_ttl, p_ttl)
    ON CONFLICT (name) DO UPDATE
        SET owner = excluded.owner, epoch = greatest(excluded.epoch, l.epoch + 1),
            acquired_at = excluded.acquired_at, expires_at = excluded.expires_at,
            ttl = excluded.ttl
        WHERE l.owner IS NULL OR l.expires_at <= clock_timestamp()
    RETURNING l.epoch INTO taken;
    RETURN taken;
END
$$;

DROP FUNCTION lease_key(text);

-- lock_stream: let appends to one stream take turns, until the transaction ends.
--
-- The unique keys of `events` keep versions and uids right without it; it only spares appends
-- from being undone and judged again. So an append that does not get the lock within a second
-- goes on: whoever holds it for longer is no append of ours.
CREATE FUNCTION lock_stream(p_class integer, p_key integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    patience text;
BEGIN
    IF pg_try_advisory_xact_lock(p_class, p_key) THEN
        RETURN;
    END IF;
    patience := current_setting('lock_timeout');
    BEGIN
        PERFORM set_config('lock_timeout', '1s', true);
        PERFORM pg_advisory_xact_lock(p_class, p_key);
    EXCEPTION WHEN lock_not_available THEN
        RAISE WARNING 'the lock of a stream is held by another session for a second: going on without it';
    END;
    PERFORM set_config('lock_timeout', patience, true);
END
$$;

DO $$
DECLARE
    appending regproc;
BEGIN
    FOREACH appending IN ARRAY ARRAY['append_events', 'append_one']::regproc[] LOOP
        EXECUTE replace(pg_get_functiondef(appending), 'pg_advisory_xact_lock(', 'lock_stream(');
    END LOOP;
END
$$;
