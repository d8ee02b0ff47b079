"""What was seen, judged."""

import pytest

from bridge.config import HealthSettings
from bridge.operating.findings import Finding, is_ready
from bridge.partitions import PARTITIONS
from bridge.watching.judging import judge, leases_by_kind
from bridge.watching.sight import Sight, SourceSight, StoreSight, Trouble

ME, OTHER = "me", "other"
BOUNDS = HealthSettings(source_lag=60.0, relay_lag=60.0)
AWAY = Trouble("refused", "start it")
ALL_MINE = {
    "daemon/me": ME,
    "relay": ME,
    **{f"partition/{number}": ME for number in range(PARTITIONS)},
}


def store(**seen: object) -> StoreSight:
    return StoreSight(**{"leases": ALL_MINE, **seen})  # type: ignore[arg-type]


def found(sight: Sight) -> dict[str, Finding]:
    return {finding.check: finding for finding in judge(sight, ME, BOUNDS)}


def test_all_is_well() -> None:
    findings = found(Sight(store=store(), sources=(SourceSight("EVENTS/ntbridge", led=True),)))
    assert {finding.state for finding in findings.values()} == {"ok"}
    assert findings["leases"].detail.startswith(
        f"this daemon holds 1 daemon, {PARTITIONS} partition, 1 relay;"
    )


@pytest.mark.parametrize("server", ["postgres", "nats", "temporal"])
def test_a_server_that_is_away_says_what_to_do(server: str) -> None:
    findings = found(Sight(**{server: AWAY}))  # type: ignore[arg-type]
    assert findings[server] == Finding(server, "failed", "refused", "start it")
    assert not is_ready(list(findings.values()))


@pytest.mark.parametrize(
    ("sight", "check"),
    [
        (Sight(sources=(SourceSight("s", led=True, messages=9, seconds=61),)), "source s"),
        (Sight(sources=(SourceSight("s", trouble=AWAY),)), "source s"),
        (Sight(results=AWAY), "stream of results"),
        (Sight(store=store(relay_positions=5, relay_seconds=61.0)), "relay"),
    ],
)
def test_what_is_out_of_bounds_is_not_ready(sight: Sight, check: str) -> None:
    finding = found(sight)[check]
    assert finding.state == "failed"
    assert finding.to_do


@pytest.mark.parametrize(
    ("sight", "check"),
    [
        (Sight(store=store(letters={"intake": 2, "relay": 1})), "dispatch"),
        (Sight(store=store(leases={"partition/0": OTHER})), "leases"),
        (Sight(store=store(fence_seconds=30.0, fence_holder="psql (pid 7)")), "fence"),
        (Sight(sources=(SourceSight("s", led=True, held_back=True),)), "source s"),
    ],
)
def test_what_is_a_pity_keeps_nobody_from_working(sight: Sight, check: str) -> None:
    findings = found(sight)
    assert findings[check].state == "warning"
    assert findings[check].to_do
    assert is_ready(list(findings.values()))


def test_a_source_that_another_daemon_fetches_is_well() -> None:
    finding = found(Sight(sources=(SourceSight("s", messages=99, seconds=9999),)))["source s"]
    assert finding.state == "ok"


def test_leases_are_counted_by_what_they_are_for() -> None:
    assert leases_by_kind(
        ["partition/1", "partition/2", "source/EVENTS/ntbridge", "relay"]
    ) == {
        "partition": 2,
        "source": 1,
        "relay": 1,
    }
