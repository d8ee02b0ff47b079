"""What was seen, judged."""

import pytest

from bridge.config import HealthSettings
from bridge.health.checks import judge, leases_by_kind
from bridge.health.snapshot import Problem, Snapshot, SourceState, StoreState
from bridge.operating.findings import Finding, is_ready
from bridge.partitions import PARTITIONS

ME, OTHER = "me", "other"
BOUNDS = HealthSettings(source_lag=60.0, relay_lag=60.0)
AWAY = Problem("refused", "start it")
ALL_MINE = {
    "daemon/me": ME,
    "relay": ME,
    **{f"partition/{number}": ME for number in range(PARTITIONS)},
}


def store(**seen: object) -> StoreState:
    return StoreState(**{"leases": ALL_MINE, **seen})  # type: ignore[arg-type]


def found(snapshot: Snapshot) -> dict[str, Finding]:
    return {finding.check: finding for finding in judge(snapshot, ME, BOUNDS)}


def test_all_is_well() -> None:
    findings = found(
        Snapshot(store=store(), sources=(SourceState("EVENTS/ntbridge", led=True),))
    )
    assert {finding.state for finding in findings.values()} == {"ok"}
    assert findings["leases"].detail.startswith(
        f"this daemon holds 1 daemon, {PARTITIONS} partition, 1 relay;"
    )


@pytest.mark.parametrize("server", ["postgres", "nats", "temporal"])
def test_a_server_that_is_away_says_what_to_do(server: str) -> None:
    findings = found(Snapshot(**{server: AWAY}))  # type: ignore[arg-type]
    assert findings[server] == Finding(server, "failed", "refused", "start it")
    assert not is_ready(list(findings.values()))


@pytest.mark.parametrize(
    ("snapshot", "check"),
    [
        (Snapshot(sources=(SourceState("s", led=True, messages=9, seconds=61),)), "source s"),
        (Snapshot(sources=(SourceState("s", problem=AWAY),)), "source s"),
        (Snapshot(results=AWAY), "stream of results"),
        (Snapshot(store=store(relay_positions=5, relay_seconds=61.0)), "relay"),
    ],
)
def test_what_is_out_of_bounds_is_not_ready(snapshot: Snapshot, check: str) -> None:
    finding = found(snapshot)[check]
    assert finding.state == "failed"
    assert finding.to_do


@pytest.mark.parametrize(
    ("snapshot", "check"),
    [
        (Snapshot(store=store(letters={"intake": 2, "relay": 1})), "dispatch"),
        (Snapshot(store=store(leases={"partition/0": OTHER})), "leases"),
        (Snapshot(store=store(fence_seconds=30.0, fence_holder="psql (pid 7)")), "fence"),
        (Snapshot(sources=(SourceState("s", led=True, held_back=True),)), "source s"),
    ],
)
def test_what_is_a_pity_keeps_nobody_from_working(snapshot: Snapshot, check: str) -> None:
    findings = found(snapshot)
    assert findings[check].state == "warning"
    assert findings[check].to_do
    assert is_ready(list(findings.values()))


def test_a_source_that_another_daemon_fetches_is_well() -> None:
    finding = found(Snapshot(sources=(SourceState("s", messages=99, seconds=9999),)))[
        "source s"
    ]
    assert finding.state == "ok"


def test_leases_are_counted_by_what_they_are_for() -> None:
    assert leases_by_kind(
        ["partition/1", "partition/2", "source/EVENTS/ntbridge", "relay"]
    ) == {
        "partition": 2,
        "source": 1,
        "relay": 1,
    }
