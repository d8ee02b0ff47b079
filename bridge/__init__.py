"""The bridge between NATS JetStream and Temporal.

::

    publishers --CloudEvents--> EVENTS --> intake --(event + plan, one commit)--> Postgres
                                                                                     |
    subscribers <-- RESULTS <-- relay <-- result events <--- emit <--- Temporal <--- dispatch

Postgres is the source of truth. NATS and Temporal are each connected to it by a short pipeline
that can be killed at any step and run again:

1. **intake** (`bridge.intake`): ``fetch → decode → match → record → ack``. One commit holds
   the event and the dispatches planned for it; the delivery is acknowledged after it. A message
   that cannot be decoded becomes a dead letter with its bytes, in the same commit.
2. **dispatch** (`bridge.dispatch`): ``take → call → settle``. Open dispatches are taken in
   the order of their events. Temporal is called with a request id derived from event and
   route, and the outcome is written into the same row.
3. **emit** (`bridge.emit.service`): the daemon serves the activity ``events.emit``. A workflow in any
   language calls it to append result events; ids derive from the recorded history.
4. **closures** (`bridge.closures.tracker`): every run that a route started ends in a result
   event, in any language and with any outcome.
5. **relay** (`bridge.relay.relay`): ``read → publish → PubAck → checkpoint``. Reads the
   log in commit-safe order and publishes in atomic batches, so that no event overtakes another.
6. **replay** (`bridge.history.replay`): sends stored events again, marked as replayed, to a
   file, a subject or routes. `bridge.history.verify` checks whether all of the above agree.

The guarantee is *effectively once*: every hop is at-least-once, and every effect has a key, so
that a repeat changes nothing.

=====================  ===================================================================
killed after           what happens on restart
=====================  ===================================================================
fetch, decode, match   nothing was written; JetStream delivers again
record                 the uid is known: the repeat is acknowledged and not planned again
ack                    done; a lost ack causes a repeat
call                   the dispatch is still open: the same request id gives the same run
settle                 done; a settled dispatch is never taken again
emit (append)          Temporal retries the activity; the event's uid is known
closure (append)       event and settled run are one commit; an open run is checked again
publish                the relay continues after the last message of the stream
PubAck                 the same; the checkpoint only saves reading the stream
replay, anywhere       resumed: its file, stream or commit has its progress
=====================  ===================================================================

In two cases Temporal cannot recognise a repeat:

* A daemon is killed between a call and its settlement, and the dispatch is taken again only after
  Temporal has removed the closed run (the namespace's retention), or a user has deleted it. A start
  then starts a second run; a signal, update or cancellation finds its target missing, and
  ``when_missing`` applies.
* A signal with start after a *closed* run must allow a second run under the workflow id. A request
  of a killed daemon may reach Temporal late: after its successor has sent the same request and the
  resulting run has closed. It then starts another run. Without a closed run before, the request
  rejects duplicates, and a late one has no effect.

In both cases, the second run has the same ``EventUid`` and ``BridgeRoute`` as the first.

`bridge.daemon.assembly` is the only place that connects the concrete parts. `bridge.telemetry`
defines the names of metrics and spans; `bridge.health` checks servers, lags and leases for
``/readyz``; the workers use `bridge.runtime` too.
"""
