"""The bridge between NATS JetStream and Temporal.

::

    publishers --CloudEvents--> EVENTS --> intake --(event + plan, one commit)--> Postgres
                                                                                     |
    subscribers <-- RESULTS <-- relay <-- result events <--- emit <--- Temporal <--- dispatch

Postgres is the truth; NATS and Temporal are at its two edges, each joined to it by a short
pipeline that can be killed anywhere and run again:

1. **intake** (`bridge.intake`): ``fetch → decode → match → record → ack``. One commit holds
   the event and the dispatches planned for it; only then is the delivery acknowledged. What
   cannot be decoded becomes a dead letter with its bytes, in the same commit.
2. **dispatch** (`bridge.dispatch`): ``take → call → settle``. Open dispatches are taken in
   the order of their events, Temporal is called with a request id derived from event and
   route, and what became of it is written into the same row.
3. **emit** (`bridge.emit.service`): the daemon serves an activity of its own, ``events.emit``,
   by which a workflow in any language appends result events, fed with recorded history only.
4. **closures** (`bridge.closures.tracker`): every run that a route started ends in a result
   event, whoever wrote the workflow and however it ended.
5. **relay** (`bridge.relay.relay`): ``read → publish → PubAck → checkpoint``. Reads the
   log in commit-safe order and publishes in atomic batches, so that nothing overtakes.
6. **replay** (`bridge.history.replay`): stored events sent again, marked as replayed, to a
   file, a subject or routes. `bridge.history.verify` tells whether all of the above agree.

What is promised is *effectively once*: every hop is at-least-once, and every effect is keyed
so that a repeat changes nothing.

=====================  ===================================================================
killed after           what happens on restart
=====================  ===================================================================
fetch, decode, match   nothing was written; JetStream delivers again
record                 the event's uid is known: the repeat is acknowledged, nothing planned
ack                    done; a lost ack is a repeat
call                   the dispatch is still open: the same request id gives the same run
settle                 done; a settled dispatch is never taken again
emit (append)          Temporal retries the activity; the event's uid is known
closure (append)       event and settled run are one commit; an open run is looked at again
publish                the relay goes on from the stream's own last message
PubAck                 likewise; the checkpoint only saves a look at the stream
replay, anywhere       resumed: its file, its stream or its commit says how far it came
=====================  ===================================================================

Two cases remain, in which Temporal itself cannot tell a repeat:

* A daemon is killed between a call and its settlement, and the dispatch is taken again only after
  Temporal has removed the closed run (the namespace's retention) or somebody has deleted it. A start
  then starts a second run; a signal, update or cancellation finds its target missing, and
  ``when_missing`` decides.
* A signal with start that follows a *closed* run has to allow a second run under the workflow id.
  When such a request of a killed daemon is still on its way, and reaches Temporal after its
  successor has sent the same one and the run that this started has closed, it starts a run of its
  own. Where no run was closed before, the request rejects duplicates, and a late one does nothing.

In both, the second run has the same ``EventUid`` and ``BridgeRoute`` as the first.

`bridge.daemon.assembly` is the only place where the concrete parts meet. What happens is told to
`bridge.telemetry`, the one place that knows the names of metrics and spans; `bridge.health`
looks at servers, lags and leases and shows them on ``/readyz``; `bridge.runtime` is what the
workers share of that.
"""
