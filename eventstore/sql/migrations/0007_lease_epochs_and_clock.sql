-- Epochs come from a sequence, and a lease's row says how long it lives.
--
-- The sequence keeps epochs growing when rows of leases are deleted: a new row that began at
-- epoch 1 would be refused wherever a later epoch is written down (checkpoints, replays).
CREATE SEQUENCE lease_epochs CACHE 1;
SELECT setval('lease_epochs', greatest(
    (SELECT coalesce(max(l.epoch), 0) FROM leases AS l),
    (SELECT coalesce(max(c.epoch), 0) FROM checkpoints AS c)
) + 1, false);

ALTER TABLE leases ADD COLUMN ttl interval NOT NULL DEFAULT '5 s' CHECK (ttl > '0 s');

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
    IF NOT (SELECT pg_try_advisory_xact_lock(k.class, k.object) FROM lease_key(p_name) AS k) THEN
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
