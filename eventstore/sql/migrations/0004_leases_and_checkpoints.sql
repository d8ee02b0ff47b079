-- Who may do what alone, until when. Rows are never removed: epochs only grow.
CREATE TABLE leases (
    name         text COLLATE "C" PRIMARY KEY,
    owner        text,                            -- NULL: released
    epoch        bigint NOT NULL CHECK (epoch > 0),
    acquired_at  timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ttl          interval NOT NULL DEFAULT '5 s' CHECK (ttl > '0 s')
);

-- Epochs come from a sequence, which keeps them growing when rows of leases are deleted: a new row that
-- began at epoch 1 would be refused wherever a later epoch is written down (checkpoints, replays).
CREATE SEQUENCE lease_epochs CACHE 1;

-- How far a reader of the store has come, in which incarnation of it, under which epoch.
CREATE TABLE checkpoints (
    name         text COLLATE "C" PRIMARY KEY,
    position     bigint NOT NULL CHECK (position >= 0),
    incarnation  uuid NOT NULL,
    epoch        bigint NOT NULL DEFAULT 0,
    saved_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- adjust_leases: end, after one time to live at most, leases that expire later than they can.
--
-- A lease that was renewed a moment ago expires at now + ttl. A later expiry shows that the
-- server's clock went back since; nobody could take a dead owner's lease until it has come as
-- far again. A living owner renews before the adjusted time is over.
CREATE FUNCTION adjust_leases(p_name text DEFAULT NULL) RETURNS SETOF text LANGUAGE sql AS $$
    UPDATE leases AS l SET expires_at = clock_timestamp() + l.ttl
    WHERE l.name = coalesce(p_name, l.name) AND l.owner IS NOT NULL
        -- A second of grace: clocks that are disciplined go back by milliseconds.
        AND l.expires_at > clock_timestamp() + l.ttl + interval '1 s'
    RETURNING l.name
$$;

-- Locks that only a role with the right to write can hold: every login may take any advisory lock, so a
-- role that may only read could stop a lease's holder. A row lock needs the right to UPDATE the row.

-- assert_lease: fail with EV002 unless the lease is held under this epoch, and keep it so until
-- the transaction ends.
--
-- Fenced writes share a lock of the lease's row (KEY SHARE), and taking a lease over needs that
-- row alone (UPDATE): a successor appears only before this check, which then fails, or after this
-- transaction's end. Renewing does not touch the key, so it waits for nobody. A row that was
-- changed since this statement's snapshot is judged as it is now.
-- The server ends the transaction of an owner that is frozen, so that the successor need not wait. Between two
-- statements this takes p_patience. If the server has a statement's parse message and not yet its bind message, it
-- runs no timeout of statements or of idleness. There transaction_timeout counts (Postgres 17 and later): three times
-- statement_timeout.
CREATE FUNCTION assert_lease(p_name text, p_owner text, p_epoch bigint, p_patience text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('idle_in_transaction_session_timeout', p_patience, true);
    IF current_setting('transaction_timeout', true) = '0' THEN
        PERFORM set_config('transaction_timeout',
            (3000 * extract(epoch FROM current_setting('statement_timeout')::interval))::integer::text, true);
    END IF;
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
CREATE FUNCTION acquire_lease(p_name text, p_owner text, p_ttl interval) RETURNS bigint
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
