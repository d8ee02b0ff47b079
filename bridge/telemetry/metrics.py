"""The table of the daemon's metrics.

A test checks the documentation (``docs/operating.md``) and the dashboard against it. Attributes
have few distinct values by design: routes, sources and operations come from the operator's files;
subjects, ids and keys are never attributes of a metric.
"""

from bridge.runtime.metrics import FAST, SLOW, Metric

METRICS: tuple[Metric, ...] = (
    # intake
    Metric(
        "ntbridge_events_received_total",
        "counter",
        "messages fetched from a source, including redeliveries",
        ("source",),
        unit="message",
    ),
    Metric(
        "ntbridge_events_recorded_total",
        "counter",
        "messages whose outcome was committed: `matched`, `unmatched`, `repeat`, `conflict`, "
        "`set-aside`, `passed-over` or `counted`; `conflict` and `set-aside` are dead letters, "
        "`passed-over` are messages of NATS itself (schedule definitions, delete markers), "
        "`counted` are those that no route matches, of a source that only counts them",
        ("source", "outcome"),
        unit="message",
    ),
    Metric(
        "ntbridge_source_messages_removed_total",
        "counter",
        "messages that left the stream (expired, purged, deleted) before they were recorded; for a "
        "source with `subject`, all messages of the range",
        ("source",),
        unit="message",
    ),
    Metric(
        "ntbridge_record_duration_seconds",
        "histogram",
        "from the fetch of a batch to its commit",
        ("source",),
        FAST,
    ),
    Metric(
        "ntbridge_source_lag_messages",
        "gauge",
        "messages of the source that are not recorded yet; reported by the source's leader",
        ("source",),
        unit="message",
    ),
    Metric(
        "ntbridge_source_lag_seconds",
        "gauge",
        "age of the oldest of these messages in its stream",
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
        "dispatches planned when events were recorded",
        ("route", "operation"),
        unit="dispatch",
    ),
    Metric(
        "ntbridge_dispatches_settled_total",
        "counter",
        "dispatches that ended: `done`, `duplicate`, `collision`, `skipped` or `dead`",
        ("route", "operation", "outcome"),
        unit="dispatch",
    ),
    Metric(
        "ntbridge_dispatch_failures_total",
        "counter",
        "failed calls, by kind (`transient`, `rate-limited`, `environment`, `target-closed`, "
        "`permanent`, `unexplained` …), whether or not they were retried",
        ("route", "kind"),
        unit="call",
    ),
    Metric(
        "ntbridge_dispatch_call_duration_seconds",
        "histogram",
        "duration of one attempt of a dispatch: its calls to Temporal",
        ("operation",),
        FAST,
    ),
    Metric(
        "ntbridge_dispatch_duration_seconds",
        "histogram",
        "from an event's commit to the end of its dispatch, including waits and retries",
        ("route",),
        SLOW,
    ),
    Metric(
        "ntbridge_dispatch_in_flight",
        "gauge",
        "calls to Temporal in progress in this daemon",
        ("temporal_namespace",),
        unit="call",
    ),
    Metric(
        "ntbridge_dispatch_in_flight_limit",
        "gauge",
        "current limit of concurrent calls, adapted to what Temporal can take",
        ("temporal_namespace",),
        unit="call",
    ),
    Metric(
        "ntbridge_route_limit_held",
        "gauge",
        "this daemon's part of a route's limit over all daemons, in calls; `limit` is `rate` (calls in a "
        "period) or `calls` (at one time); over all daemons the sum is the limit at most",
        ("route", "limit"),
        unit="call",
    ),
    Metric(
        "ntbridge_dispatches_held_back",
        "gauge",
        "dispatches in this daemon that could be called and wait for the limits of their route",
        ("route",),
        unit="dispatch",
    ),
    Metric(
        "ntbridge_dispatches_open",
        "gauge",
        "open dispatches, of all daemons",
        unit="dispatch",
    ),
    Metric(
        "ntbridge_dispatches_waiting",
        "gauge",
        "dispatches that wait for their target, of all daemons",
        unit="dispatch",
    ),
    Metric(
        "ntbridge_dispatches_queued",
        "gauge",
        "dispatches that wait for a slot of their key, of all daemons",
        ("route",),
        unit="dispatch",
    ),
    Metric(
        "ntbridge_slots_held",
        "gauge",
        "slots that runs, or dispatches to be called, hold, of all daemons",
        ("route",),
        unit="slot",
    ),
    Metric(
        "ntbridge_dispatches_gathering",
        "gauge",
        "dispatches in windows that are still open, of all daemons",
        unit="dispatch",
    ),
    Metric(
        "ntbridge_windows_open",
        "gauge",
        "windows that are still open, of all daemons",
        unit="window",
    ),
    Metric(
        "ntbridge_window_delay_seconds",
        "gauge",
        "time since the first open window should have closed; more than a second or two: no daemon closes it",
    ),
    Metric(
        "ntbridge_dispatch_oldest_seconds",
        "gauge",
        "time since the oldest open dispatch became due",
    ),
    Metric(
        "ntbridge_dead_letters_open",
        "gauge",
        "dead letters that were neither redriven nor dropped",
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
        "age of the oldest of these events",
    ),
    Metric(
        "ntbridge_fence_age_seconds",
        "gauge",
        "age of the oldest open transaction that readers of the log wait for",
    ),
    # the tables
    Metric(
        "ntbridge_table_bytes",
        "gauge",
        "size of a table that grows with the events, with its indexes",
        ("table",),
        unit="By",
    ),
    Metric(
        "ntbridge_table_dead_ratio",
        "gauge",
        "part of its rows that were changed or deleted and wait for a vacuum, 0 to 1",
        ("table",),
    ),
    # the daemon
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
        "child processes that ended while they evaluated an event and were replaced: too much "
        "`time` or `memory`, `no-answer`, or `died` for another reason",
        ("reason",),
        unit="process",
    ),
    Metric(
        "ntbridge_restarts_total",
        "counter",
        "restarts, by component: `daemon` (Postgres was unavailable at the start), `nats` (the "
        "client was replaced), `relay` (it resumed)",
        ("part",),
        unit="restart",
    ),
    Metric(
        "ntbridge_pauses",
        "gauge",
        "paused by people, of all daemons: `route` or `source`",
        ("kind",),
        unit="pause",
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
        "1 while the routes file is invalid and the previous routes stay in force, else 0",
    ),
    Metric(
        "ntbridge_ready",
        "gauge",
        "1 when `/readyz` answers 200, else 0",
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
        "used part of the stream's limit that is closest to full, 0 to 1; 0 without limits",
        ("stream",),
    ),
    Metric(
        "ntbridge_task_queue_pollers",
        "gauge",
        "workers that recently polled a task queue on which routes start workflows",
        ("task_queue", "temporal_namespace"),
        unit="poller",
    ),
    Metric(
        "ntbridge_clock_skew_seconds",
        "gauge",
        "how far the database's clock is ahead of the daemon's",
    ),
)
