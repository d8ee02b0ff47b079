"""The table of the daemon's metrics.

The documentation (``docs/operating.md``) is checked against it by a test, and so is the
dashboard. Attributes have few different values by design: routes, sources and operations are an
operator's own; subjects, ids and keys never become attributes of a metric.
"""

from bridge.runtime.metrics import FAST, SLOW, Metric

METRICS: tuple[Metric, ...] = (
    # intake
    Metric(
        "ntbridge_events_received_total",
        "counter",
        "messages fetched from a source, repeats included",
        ("source",),
        unit="message",
    ),
    Metric(
        "ntbridge_events_recorded_total",
        "counter",
        "messages that were answered for, in a commit: `matched`, `unmatched`, `repeat`, "
        "`conflict`, `set-aside` or `passed-over`; conflicts and those set aside are dead letters, "
        "those passed over are NATS's own (schedule definitions, delete markers)",
        ("source", "outcome"),
        unit="message",
    ),
    Metric(
        "ntbridge_source_messages_removed_total",
        "counter",
        "messages that left the stream (expired, purged, deleted) before they were recorded",
        ("source",),
        unit="message",
    ),
    Metric(
        "ntbridge_record_duration_seconds",
        "histogram",
        "from a batch in hand to its commit",
        ("source",),
        FAST,
    ),
    Metric(
        "ntbridge_source_lag_messages",
        "gauge",
        "messages of the source that are not recorded yet; shown by the daemon that leads it",
        ("source",),
        unit="message",
    ),
    Metric(
        "ntbridge_source_lag_seconds",
        "gauge",
        "how long the oldest of them has been waiting in its stream",
        ("source",),
    ),
    Metric(
        "ntbridge_source_attached",
        "gauge",
        "1 while this daemon fetches from the source, else 0; over all daemons the sum is 1",
        ("source",),
    ),
    Metric(
        "ntbridge_source_held_back",
        "gauge",
        "1 while intake waits because too many dispatches are open",
        ("source",),
    ),
    # dispatch
    Metric(
        "ntbridge_dispatches_planned_total",
        "counter",
        "dispatches planned for events as they were recorded",
        ("route", "operation"),
        unit="dispatch",
    ),
    Metric(
        "ntbridge_dispatches_settled_total",
        "counter",
        "dispatches that came to an end: `done`, `duplicate`, `collision`, `skipped` or `dead`",
        ("route", "operation", "outcome"),
        unit="dispatch",
    ),
    Metric(
        "ntbridge_dispatch_failures_total",
        "counter",
        "calls that failed, by what kind of failure it was (`transient`, `rate-limited`, "
        "`environment`, `target-closed`, `permanent`, `unexplained` …), whatever followed",
        ("route", "kind"),
        unit="call",
    ),
    Metric(
        "ntbridge_dispatch_call_duration_seconds",
        "histogram",
        "one attempt of a dispatch: its calls to Temporal",
        ("operation",),
        FAST,
    ),
    Metric(
        "ntbridge_dispatch_duration_seconds",
        "histogram",
        "from an event's commit to the end of its dispatch, waiting and retries included",
        ("route",),
        SLOW,
    ),
    Metric(
        "ntbridge_dispatch_in_flight",
        "gauge",
        "calls to Temporal under way in this daemon",
        unit="call",
    ),
    Metric(
        "ntbridge_dispatch_in_flight_limit",
        "gauge",
        "how many calls at a time Temporal is found to bear just now",
        unit="call",
    ),
    Metric(
        "ntbridge_dispatches_open",
        "gauge",
        "dispatches to be done, of all daemons",
        unit="dispatch",
    ),
    Metric(
        "ntbridge_dispatches_waiting",
        "gauge",
        "dispatches that wait for their target, of all daemons",
        unit="dispatch",
    ),
    Metric(
        "ntbridge_dispatch_oldest_seconds",
        "gauge",
        "how long the oldest open dispatch has been due",
    ),
    Metric(
        "ntbridge_dead_letters_open",
        "gauge",
        "dead letters that nobody has redriven or dropped",
        ("stage",),
        unit="letter",
    ),
    # the way back
    Metric(
        "ntbridge_results_relayed_total",
        "counter",
        "result events published and acknowledged",
        unit="event",
    ),
    Metric(
        "ntbridge_relay_lag_positions",
        "gauge",
        "result events in the store that are not on NATS yet",
        unit="position",
    ),
    Metric(
        "ntbridge_relay_lag_seconds",
        "gauge",
        "how long the oldest of them has been stored",
    ),
    Metric(
        "ntbridge_fence_age_seconds",
        "gauge",
        "how long the oldest transaction that holds back the readers of the log has been open",
    ),
    # the house
    Metric(
        "ntbridge_leases_held",
        "gauge",
        "leases held by this daemon: `partition`, `source`, `relay`, `dead-letter-notices` …",
        ("kind",),
        unit="lease",
    ),
    Metric(
        "ntbridge_evaluation_children_ended_total",
        "counter",
        "child processes that ended while they evaluated an event: it took too much `time` or "
        "`memory`, gave `no-answer`, or the process `died` otherwise and was replaced",
        ("reason",),
        unit="process",
    ),
    Metric(
        "ntbridge_restarts_total",
        "counter",
        "how often something had to begin anew: `daemon` (Postgres was not there at the start), "
        "`nats` (a client was built again), `relay` (resumed)",
        ("part",),
        unit="restart",
    ),
    Metric(
        "ntbridge_routes",
        "gauge",
        "routes in force",
        unit="route",
    ),
    Metric(
        "ntbridge_routes_kept",
        "gauge",
        "1 while the routes file is wrong and the old routes are in force, else 0",
    ),
    Metric(
        "ntbridge_ready",
        "gauge",
        "1 when `/readyz` says so, else 0",
    ),
    Metric(
        "ntbridge_check_state",
        "gauge",
        "each check of `/readyz`: 0 ok, 1 warning, 2 failed",
        ("check",),
    ),
    Metric(
        "ntbridge_stream_fill_ratio",
        "gauge",
        "the used part of a stream's tightest limit, 0 to 1; 0 for a stream without limits",
        ("stream",),
    ),
    Metric(
        "ntbridge_task_queue_pollers",
        "gauge",
        "workers that polled a task queue that routes start workflows on, lately",
        ("task_queue",),
        unit="poller",
    ),
    Metric(
        "ntbridge_clock_skew_seconds",
        "gauge",
        "how far the database's clock is ahead of the daemon's",
    ),
)
