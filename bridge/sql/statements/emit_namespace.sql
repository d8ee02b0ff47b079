-- The secret namespace of the ids of emitted events.
select namespace from emit_identity
