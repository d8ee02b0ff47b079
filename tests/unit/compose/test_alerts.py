"""The alerts fire when they should and not when they should not, as Prometheus itself evaluates them.

Needs promtool, of the Debian package ``prometheus``.
"""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from bridge.dispatch.partitions import PARTITIONS
from tests.support.containers import COMPOSE

ALERTS = COMPOSE.parent / "observability" / "prometheus" / "alerts.yaml"
PROMTOOL = shutil.which("promtool")

pytestmark = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (apt-get install prometheus)"
)

GENERATES = 'workflow_type="Generate",task_queue="q"'
HOUR = 240
"""Samples, one every 15 s."""


@dataclass(frozen=True)
class Case:
    """What is scraped for an hour, and whether an alert fires at its end.

    Attributes:
        series: Values in promtool's notation, by the name of the series.
        labels: Of the alert that fires; None: it does not.
    """

    alert: str
    series: dict[str, str]
    labels: dict[str, str] | None = field(default_factory=dict)


def always(value: float) -> str:
    return f"{value:g}+0x{HOUR}"


def rising(each: float) -> str:
    return f"0+{each:g}x{HOUR}"


FAILED = f'workflow_failed_total{{{GENERATES},reason="failed"}}'
CANCELLED = f'workflow_failed_total{{{GENERATES},reason="cancelled"}}'
COMPLETED = f"workflow_completed_total{{{GENERATES}}}"
TYPE = {"workflow_type": "Generate"}

CASES = {
    "runs fail, and none ever completed": Case("PipelinesFail", {FAILED: rising(1)}, TYPE),
    "runs fail, and none completes": Case(
        "PipelinesFail", {FAILED: rising(1), COMPLETED: always(0)}, TYPE
    ),
    "more fail than complete": Case(
        "PipelinesFail", {FAILED: rising(2), COMPLETED: rising(1)}, TYPE
    ),
    "more complete than fail": Case(
        "PipelinesFail", {FAILED: rising(1), COMPLETED: rising(2)}, None
    ),
    "cancelled runs are no failures": Case(
        "PipelinesFail", {CANCELLED: rising(5), FAILED: always(0), COMPLETED: rising(1)}, None
    ),
    "nothing runs": Case("PipelinesFail", {FAILED: always(0), COMPLETED: always(0)}, None),
    "no worker": Case(
        "NtbridgeNoWorker",
        {'ntbridge_task_queue_pollers{task_queue="code"}': always(0)},
        {"task_queue": "code", "severity": "critical"},
    ),
    "a worker": Case(
        "NtbridgeNoWorker", {'ntbridge_task_queue_pollers{task_queue="code"}': always(2)}, None
    ),
    "a failing check": Case(
        "NtbridgeCheckFailed",
        {
            'ntbridge_check_state{check="stream RESULTS",instance="a"}': always(0),
            'ntbridge_check_state{check="stream RESULTS",instance="b"}': always(2),
        },
        {"check": "stream RESULTS", "severity": "critical"},
    ),
    "a check that warns": Case(
        "NtbridgeCheckWarns",
        {'ntbridge_check_state{check="clock"}': always(1)},
        {"check": "clock"},
    ),
    "checks that are well": Case(
        "NtbridgeCheckFailed", {'ntbridge_check_state{check="clock"}': always(0)}, None
    ),
    "a source that nobody fetches": Case(
        "NtbridgeSourceNotFetched",
        {
            'ntbridge_source_attached{source="EVENTS/ntbridge",instance="a"}': always(0),
            'ntbridge_source_attached{source="EVENTS/ntbridge",instance="b"}': always(0),
        },
        {"source": "EVENTS/ntbridge", "severity": "critical"},
    ),
    "a source that one of two daemons fetches": Case(
        "NtbridgeSourceNotFetched",
        {
            'ntbridge_source_attached{source="EVENTS/ntbridge",instance="a"}': always(0),
            'ntbridge_source_attached{source="EVENTS/ntbridge",instance="b"}': always(1),
        },
        None,
    ),
    "no partition held": Case(
        "NtbridgePartitionsFree",
        {'ntbridge_leases_held{kind="partition"}': always(0)},
        {"severity": "critical"},
    ),
    "all partitions held by two": Case(
        "NtbridgePartitionsFree",
        {
            'ntbridge_leases_held{kind="partition",instance="a"}': always(PARTITIONS // 2),
            'ntbridge_leases_held{kind="partition",instance="b"}': always(PARTITIONS // 2),
        },
        None,
    ),
    "a stream nearly full": Case(
        "NtbridgeStreamFull",
        {'ntbridge_stream_fill_ratio{stream="RESULTS"}': always(0.93)},
        {"stream": "RESULTS"},
    ),
    "a large table of dead rows": Case(
        "NtbridgeTableBloat",
        {
            'ntbridge_table_dead_ratio{table="events"}': always(0.6),
            'ntbridge_table_bytes{table="events"}': always(2e9),
        },
        {"table": "events"},
    ),
    "a small table of dead rows": Case(
        "NtbridgeTableBloat",
        {
            'ntbridge_table_dead_ratio{table="runs"}': always(0.6),
            'ntbridge_table_bytes{table="runs"}': always(2e6),
        },
        None,
    ),
    "a clock behind": Case("NtbridgeClockSkew", {"ntbridge_clock_skew_seconds": always(-3600)}),
    "a clock in step": Case(
        "NtbridgeClockSkew", {"ntbridge_clock_skew_seconds": always(1)}, None
    ),
    "no daemon scraped": Case(
        "NtbridgeNoDaemon", {'up{job="x"}': always(1)}, {"severity": "critical"}
    ),
}


@pytest.fixture(scope="module")
def rules() -> dict[str, dict[str, object]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


@pytest.mark.slow
def test_all_cases_as_prometheus_evaluates_them(
    rules: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    """One call of promtool for all of them: it takes longer to start than to evaluate."""
    plain = tmp_path / "alerts.yaml"
    # Annotations are for people; expressions, times and labels are what is tried.
    stripped = [{**rule, "annotations": {}} for rule in rules.values()]
    plain.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": stripped}]}))
    tests = []
    for name, case in CASES.items():
        severity = rules[case.alert]["labels"]
        assert isinstance(severity, dict)
        fires = [] if case.labels is None else [{"exp_labels": severity | case.labels}]
        tests.append(
            {
                "name": name,
                "interval": "15s",
                "input_series": [
                    {"series": series, "values": values}
                    for series, values in case.series.items()
                ],
                "alert_rule_test": [
                    {"eval_time": "1h", "alertname": case.alert, "exp_alerts": fires}
                ],
            }
        )
    file = tmp_path / "tests.yaml"
    file.write_text(
        yaml.safe_dump(
            {"rule_files": [str(plain)], "evaluation_interval": "15s", "tests": tests}
        )
    )
    assert PROMTOOL is not None
    done = subprocess.run(  # noqa: PLW1510 - the code is looked at
        [PROMTOOL, "test", "rules", file], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_number_of_partitions_in_the_alert_is_right(
    rules: dict[str, dict[str, object]],
) -> None:
    assert f"< {PARTITIONS}" in str(rules["NtbridgePartitionsFree"]["expr"])


def test_prometheus_takes_the_rules() -> None:
    assert PROMTOOL is not None
    done = subprocess.run(  # noqa: PLW1510 - the code is looked at
        [PROMTOOL, "check", "rules", ALERTS], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
