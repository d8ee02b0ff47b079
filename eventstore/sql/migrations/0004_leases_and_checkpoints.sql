-- Who may do what alone, until when. Rows are never removed: epochs only grow.
CREATE TABLE leases (
    name         text COLLATE "C" PRIMARY KEY,
    owner        text,                            -- NULL: released
    epoch        bigint NOT NULL CHECK (epoch > 0),
    acquired_at  timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);

-- How far a reader of the store has come, in which incarnation of it, under which epoch.
CREATE TABLE checkpoints (
    name         text COLLATE "C" PRIMARY KEY,
    position     bigint NOT NULL CHECK (position >= 0),
    incarnation  uuid NOT NULL,
    epoch        bigint NOT NULL DEFAULT 0,
    saved_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- lease_key: the advisory lock that stands between a lease's fenced writes and its next owner.
CREATE FUNCTION lease_key(p_name text, OUT class integer, OUT object integer) LANGUAGE sql STABLE AS $$
    SELECT 'leases'::regclass::oid::bigint::bit(32)::integer, hashtext(p_name)
$$;

-- assert_lease: fail with EV002 unless the lease is held under this epoch, and keep it so until
-- the transaction ends.
--
-- Fenced writes share the lease's advisory lock, and taking a lease over needs it alone: a
-- successor appears only before this check, which then fails, or after this transaction's end.
-- The check is a later statement than the lock, so it sees what a predecessor committed.
-- An owner frozen in mid-transaction is cut off by the server after p_patience, lest the
-- successor wait for it.
CREATE FUNCTION assert_lease(p_name text, p_owner text, p_epoch bigint, p_patience text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('idle_in_transaction_session_timeout', p_patience, true);
    PERFORM pg_advisory_xact_lock_shared(k.class, k.object) FROM lease_key(p_name) AS k;
    PERFORM FROM leases AS l WHERE l.name = p_name AND l.owner = p_owner AND l.epoch = p_epoch;
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
        RETURN NULL;
    END IF;
    IF NOT (SELECT pg_try_advisory_xact_lock(k.class, k.object) FROM lease_key(p_name) AS k) THEN
        RETURN NULL;
    END IF;
    INSERT INTO leases AS l (name, owner, epoch, acquired_at, expires_at)
    VALUES (p_name, p_owner, 1, clock_timestamp(), clock_timestamp() + p_ttl)
    ON CONFLICT (name) DO UPDATE
        SET owner = excluded.owner, epoch = l.epoch + 1,
            acquired_at = excluded.acquired_at, expires_at = excluded.expires_at
        WHERE l.owner IS NULL OR l.expires_at <= clock_timestamp()
    RETURNING l.epoch INTO taken;
    RETURN taken;
END
$$;
