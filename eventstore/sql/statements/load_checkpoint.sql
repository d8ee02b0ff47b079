-- A reader's checkpoint, whether it is from this incarnation of the store, and the last drawn position.
-- $1 name
SELECT c.position, c.incarnation = i.id AS same_incarnation, m.last
FROM checkpoints AS c, store_incarnation AS i, fence_mark() AS m
WHERE c.name = $1
