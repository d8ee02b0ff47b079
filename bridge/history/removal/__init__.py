"""Removal: take the bodies of events out of the store, by age (prune) or for a person (erase).

Rows without a body are deleted much later, when no repeat of their events can come (`horizon`).

A removal takes data and chosen attributes, and leaves the row (`eventstore.removals`). Before, a
prune writes the events to an archive in a folder or an object store.

**What stays untouched.** Events above any checkpoint (the relay's, and those of other readers) and
above the progress of an open replay; events of open dispatches, open dead letters and open runs. The
latter are asked for when a part is read, and again in the statement that removes. A dispatch that is
planned later for an event without its body (by a replay, say) is refused where it is planned.

**Killed anywhere, it continues when it is run again**: `bridge.history.removal.remover` has the steps.

===============  =========================================================================
eraser           an erasure: one subject, in archives, on NATS, in the tables
copies           messages on NATS that have events
payload_objects  large arguments in the payload store
policy           which events go, by the settings
pruner           a prune: how far it may go, the interrupted one, the archive
remover          reads the log, archives, removes, notes its progress
row_deleter      deletes rows whose bodies were removed
horizon          before which time no event can come again from NATS
archive          the parts of an archive, and bodies read back from it
part             the format: compressed NDJSON, with digests
===============  =========================================================================
"""
