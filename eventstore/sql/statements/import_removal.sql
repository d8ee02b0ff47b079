-- Store an imported removal. In a copy of a store it is finished, and the archive stays that of the original, which
-- alone may change it.
-- $1 the removal as JSON; $2 whether the store was moved, not copied
INSERT INTO removals (
    id, kind, selection, who, why, incarnation, through, position, events, archive, remarks, began_at, finished_at)
OVERRIDING SYSTEM VALUE
SELECT r.id, r.kind, r.selection, r.who, r.why, r.incarnation, r.through, r.position, r.events,
       CASE WHEN $2 THEN r.archive END,
       r.remarks
       || CASE WHEN $2 OR r.archive IS NULL THEN '[]'::jsonb
               ELSE jsonb_build_array('the store that this is a copy of has the archive: ' || r.archive) END
       || CASE WHEN $2 OR r.finished_at IS NOT NULL THEN '[]'::jsonb
               ELSE jsonb '["it was interrupted in the store that this is a copy of"]' END,
       r.began_at, CASE WHEN $2 THEN r.finished_at ELSE coalesce(r.finished_at, clock_timestamp()) END
FROM json_populate_record(NULL::removals, $1::json) AS r
