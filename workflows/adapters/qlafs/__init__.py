"""Provenance: who made what from what, signed, chained, and checked again from the store.

Every fingerprint is an in-toto Statement (v1) in a DSSE envelope, signed with Ed25519, and kept
as the data of a result event: stored once, immutable, and nowhere else. A statement names

* its subject: the artifact's SHA-256, or in the last one, the seal, that of the whole run;
* in its predicate the maker (``agent``), what it was made from (``inputs``) and the run;
* ``previous``: the SHA-256 of the statement before it, so that none can be taken out;
* ``events``: the digests of all events that the run has told since then, every attribute and
  every byte of their data included, the events of earlier statements among them.

The chain is read back from the store when the next statement is made. Ed25519 is deterministic
and a run waits for each of its events to be stored: another try makes the same statement.

What verification can not see: an ``id`` changed together with the ``uid`` derived from it, and
the ``id`` and ``time`` of the sealing event, which nothing comes after; the bridge's own event
about the closure of a run, which follows the seal; and a run that was removed with everything
it has told.
"""
