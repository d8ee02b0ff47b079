"""Provenance: signed, chained statements about artifacts and events, verified from the store.

Every fingerprint is an in-toto Statement (v1) in a DSSE envelope, signed with Ed25519. It is the data
of a result event, which is stored once and immutable; there is no second copy. A statement has

* its subject: the SHA-256 of the artifact or, in the last one (the seal), of the whole run;
* in its predicate the maker (``agent``), the inputs (``inputs``) and the run;
* ``previous``: the SHA-256 of the previous statement, so that none can be removed;
* ``events``: the digests of all events that the run emitted since then, including the events of
  earlier statements. A digest covers every attribute and all data.

The next statement is made from the chain in the store. Ed25519 is deterministic, and a run waits
until each event is stored, so a retry makes the same statement.

Verification does not detect: an ``id`` changed together with the ``uid`` derived from it; changes of
``id`` and ``time`` of the sealing event, which is the last; changes of the bridge's closure event,
which follows the seal; a run that was removed with all its events.
"""
