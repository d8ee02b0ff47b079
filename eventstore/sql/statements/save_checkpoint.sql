-- Save a reader's checkpoint unless a later epoch has saved it; returns no row then.
-- $1 name; $2 position; $3 epoch
INSERT INTO checkpoints AS c (name, position, incarnation, epoch, saved_at)
SELECT $1, $2, i.id, $3, clock_timestamp() FROM store_incarnation AS i
ON CONFLICT (name) DO UPDATE
    SET position = excluded.position, incarnation = excluded.incarnation,
        epoch = excluded.epoch, saved_at = excluded.saved_at
    WHERE c.epoch <= excluded.epoch
RETURNING c.epoch
