"""The metrics of the workers, as one table."""

from bridge.runtime.metrics import FAST, SLOW, Metric

METRICS: tuple[Metric, ...] = (
    Metric(
        "workflow_started_total",
        "counter",
        "runs that began; one that continues as new is the same run",
        ("workflow_type", "task_queue"),
        unit="run",
    ),
    Metric(
        "workflow_completed_total",
        "counter",
        "runs that completed",
        ("workflow_type", "task_queue"),
        unit="run",
    ),
    Metric(
        "workflow_failed_total",
        "counter",
        "runs that ended otherwise: `failed` or `cancelled`",
        ("workflow_type", "task_queue", "reason"),
        unit="run",
    ),
    Metric(
        "workflow_duration_seconds",
        "histogram",
        "from the start of a run to its end; after continuing as new, of its last part",
        ("workflow_type", "task_queue"),
        SLOW,
    ),
    Metric(
        "activity_duration_seconds",
        "histogram",
        "one attempt of an activity; `ok` or `failed`",
        ("activity_type", "task_queue", "outcome"),
        (*FAST, 30.0, 60.0, 300.0, 1800.0),
    ),
    Metric(
        "language_model_answers_total",
        "counter",
        "answers of language models that were used; `cached`: `true` if the cache gave it",
        ("activity_type", "task_queue", "cached", "finish_reason"),
        unit="answer",
    ),
    Metric(
        "language_model_tokens_total",
        "counter",
        "tokens of questions (`prompt`) and of answers (`answer`), as the server reports them",
        ("activity_type", "task_queue", "kind"),
        unit="token",
    ),
    Metric(
        "ntbridge_worker_ready",
        "gauge",
        "1 when `/readyz` says so, else 0",
    ),
)
