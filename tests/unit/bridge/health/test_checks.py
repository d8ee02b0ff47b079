"""Snapshots, judged: what is 503, what is a warning, and that each says what to do."""

from dataclasses import replace

import pytest

from bridge.dispatch.partitions import PARTITIONS
from bridge.health.checks import SERVERS, judge
from bridge.health.flow_checks import leases_by_kind
from bridge.health.snapshot import (
    NamespaceState,
    Problem,
    QueueState,
    ServerState,
    Snapshot,
    SourceState,
    StoreState,
    StreamState,
)
from bridge.health.table_checks import TableState
from bridge.runtime.findings import Finding, is_ready
from bridge.settings.schema import HealthSettings, Settings

ME, OTHER = "me", "other"
BOUNDS = Settings(health=HealthSettings(source_lag=60.0, relay_lag=60.0, dispatch_lag=60.0))
AWAY = Problem("refused", "start it")
RESULTS = StreamState("RESULTS", messages=1, bytes=10)
SOURCE = SourceState("EVENTS/ntbridge", led=True, attached=True, stream=StreamState("EVENTS"))
ALL_MINE = {
    "daemon/me": ME,
    "relay": ME,
    "source/EVENTS/ntbridge": ME,
    **{f"partition/{number}": ME for number in range(PARTITIONS)},
}
SERVER = ServerState(version="18.6", connections=9, usable=97)
WELL = Snapshot(
    server=SERVER,
    store=StoreState(leases=ALL_MINE),
    sources=(SOURCE,),
    streams=(StreamState("EVENTS"), RESULTS, StreamState("DEADLETTERS")),
    attributes=(),
    queues=(QueueState("code", ("generate",), 2),),
)


def store(**seen: object) -> Snapshot:
    return replace(WELL, store=StoreState(**{"leases": ALL_MINE, **seen}))  # type: ignore[arg-type]


def server(**seen: object) -> Snapshot:
    return replace(WELL, server=replace(SERVER, **seen))  # type: ignore[arg-type]


def source(**seen: object) -> Snapshot:
    return replace(WELL, sources=(replace(SOURCE, **seen),))  # type: ignore[arg-type]


def stream(state: StreamState) -> Snapshot:
    return replace(WELL, streams=(state,))


def without(*names: str) -> dict[str, str]:
    return {name: owner for name, owner in ALL_MINE.items() if not name.startswith(names)}


def found(snapshot: Snapshot, owner: str | None = ME) -> dict[str, Finding]:
    return {finding.check: finding for finding in judge(snapshot, owner, BOUNDS)}


def states(snapshot: Snapshot, owner: str | None = ME) -> dict[str, str]:
    """Whatever is not ok."""
    return {
        finding.check: finding.state
        for finding in judge(snapshot, owner, BOUNDS)
        if finding.state != "ok"
    }


def test_all_is_well() -> None:
    findings = found(WELL)
    assert states(WELL) == {}
    assert findings["leases"].detail.startswith(
        f"this daemon holds 1 daemon, {PARTITIONS} partition, 1 relay, 1 source;"
    )


def test_the_servers_have_checks_whatever_was_seen() -> None:
    assert set(SERVERS) <= found(Snapshot()).keys()


@pytest.mark.parametrize("name", ["postgres", "nats", "temporal", "jetstream", "schema"])
def test_a_server_that_is_away_says_what_to_do(name: str) -> None:
    findings = found(replace(WELL, **{name: AWAY}))  # type: ignore[arg-type]
    assert findings[name] == Finding(name, "failed", "refused", "start it")
    assert not is_ready(list(findings.values()))


LED_ELSEWHERE = SourceState(
    "EVENTS/ntbridge", messages=99, stream=StreamState("EVENTS"), has_consumer=True
)
LEADS_ELSEWHERE = {**ALL_MINE, "source/EVENTS/ntbridge": OTHER}

NOT_READY = {
    "a lag out of bounds": (source(messages=9, seconds=61.0), "source EVENTS/ntbridge"),
    "a source with a problem": (source(problem=AWAY), "source EVENTS/ntbridge"),
    "a leader that is not attached": (source(attached=False), "source EVENTS/ntbridge"),
    "a source that no daemon leads": (
        replace(store(leases=without("source/")), sources=(LED_ELSEWHERE,)),
        "source EVENTS/ntbridge",
    ),
    "a source whose leader is not attached": (
        replace(
            store(leases=LEADS_ELSEWHERE), sources=(replace(LED_ELSEWHERE, has_consumer=False),)
        ),
        "source EVENTS/ntbridge",
    ),
    "results out of bounds": (store(relay_positions=5, relay_seconds=61.0), "relay"),
    "a relay that is refused": (replace(WELL, parts={"relay": "maximum bytes"}), "relay"),
    "a relay that nobody leads": (store(leases=without("relay")), "relay"),
    "no partition held": (store(leases=without("partition/")), "leases"),
    "own leases run out": (store(leases=without("daemon/")), "leases"),
    "partitions held by no daemon": (
        store(
            leases={name: OTHER if "partition" in name else ME for name in ALL_MINE},
            free_seconds=0.0,
        ),
        "leases",
    ),
    "partitions free for long": (
        store(leases=without("partition/7"), free_seconds=60.0),
        "leases",
    ),
    "RESULTS missing": (stream(StreamState("RESULTS", AWAY)), "stream RESULTS"),
    "RESULTS full": (stream(StreamState("RESULTS", refuses="it is full")), "stream RESULTS"),
    "EVENTS sealed": (stream(StreamState("EVENTS", refuses="it is sealed")), "stream EVENTS"),
    "search attributes missing": (replace(WELL, attributes=(AWAY,)), "search attributes"),
    "dispatch without the store": (replace(WELL, parts={"dispatch": "denied"}), "dispatch"),
    "emits not served": (replace(WELL, parts={"emit": "no such namespace"}), "emit"),
    "another namespace away": (
        replace(WELL, others=(NamespaceState("billing", AWAY),)),
        "temporal billing",
    ),
    "emits of another namespace not served": (
        replace(
            WELL,
            others=(NamespaceState("billing"),),
            parts={"emit billing": "no such namespace"},
        ),
        "emit billing",
    ),
    "writes about to stop": (server(xid_age=2_120_000_000), "postgres"),
}


@pytest.mark.parametrize("case", NOT_READY)
def test_while_nothing_flows_it_is_not_ready(case: str) -> None:
    snapshot, check = NOT_READY[case]
    assert states(snapshot) == {check: "failed"}
    assert found(snapshot)[check].to_do


WARNINGS = {
    "dead letters": (store(letters={"intake": 2, "relay": 1}), "dead letters"),
    "old dispatches": (store(open=3, oldest=61.0), "dispatch"),
    "a window that is not closed": (store(gathering=2, window_delay=61.0), "dispatch"),
    "a partition free for a moment": (
        store(leases=without("partition/7"), free_seconds=2.0),
        "leases",
    ),
    "a long transaction": (store(fence_seconds=30.0, fence_holder="psql (pid 7)"), "fence"),
    "a table of dead rows": (
        store(tables=(TableState("events", 3 * 10**9, 10**6, 9 * 10**5),)),
        "tables",
    ),
    "intake held back": (source(held_back=True), "source EVENTS/ntbridge"),
    "no worker": (
        replace(WELL, queues=(QueueState("code", ("generate",), 0),)),
        "task queue code",
    ),
    "no worker in another namespace": (
        replace(
            WELL,
            others=(
                NamespaceState(
                    "billing", None, (), (QueueState("code", ("a",), 0, "billing"),)
                ),
            ),
        ),
        "task queue billing/code",
    ),
    "dispatches to a namespace that is not in the settings": (
        store(unsettled={"": 2, "ops": 3}),
        "dispatch ops",
    ),
    "pollers unknown": (replace(WELL, queues=(QueueState("code"),)), "task queue code"),
    "DEADLETTERS missing": (stream(StreamState("DEADLETTERS", AWAY)), "stream DEADLETTERS"),
    "DEADLETTERS full": (
        stream(StreamState("DEADLETTERS", refuses="it is full")),
        "stream DEADLETTERS",
    ),
    "RESULTS nearly full": (
        stream(StreamState("RESULTS", fill=0.95, limit="95 of 100 bytes")),
        "stream RESULTS",
    ),
    "ends of runs unknown": (replace(WELL, parts={"closures": "no list"}), "closures"),
    "notices refused": (
        replace(WELL, parts={"dead-letter notices": "full"}),
        "dead-letter notices",
    ),
    "nothing removed": (replace(WELL, parts={"retention": "denied"}), "retention"),
    "a clock that is wrong": (server(skew_seconds=-3600.0), "clock"),
    "a clock that went back": (replace(WELL, clock_went_back=3600.0), "clock"),
    "connections used up": (server(connections=96), "postgres"),
    "no standby": (server(without_standby=True), "postgres"),
    "old transaction ids": (server(xid_age=1_600_000_000), "postgres"),
    "a newer release migrated": (
        replace(WELL, schema=AWAY, schema_is_newer=True),
        "schema",
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_while_work_goes_on_it_is_a_warning(case: str) -> None:
    snapshot, check = WARNINGS[case]
    assert states(snapshot) == {check: "warning"}
    assert found(snapshot)[check].to_do
    assert is_ready(judge(snapshot, ME, BOUNDS))


def test_a_source_that_another_daemon_fetches_is_well() -> None:
    finding = found(replace(store(leases=LEADS_ELSEWHERE), sources=(LED_ELSEWHERE,)))
    assert finding["source EVENTS/ntbridge"].state == "ok"
    assert "fetched by other" in finding["source EVENTS/ntbridge"].detail


def test_what_follows_from_a_server_that_is_away_is_not_said_twice() -> None:
    away = replace(WELL, temporal=AWAY, parts={"emit": "refused", "closures": "refused"})
    assert states(away) == {"temporal": "failed"}


def test_from_outside_it_is_only_said_that_no_daemon_runs() -> None:
    idle = replace(store(leases={}, free_seconds=9e9), sources=(LED_ELSEWHERE,))
    assert states(idle, owner=None) == {"leases": "warning"}


SHARED = ("postgres", "stream", "search", "task queue", "fence", "dead letters")
"""Checks of what the doctor sees as the daemon does."""
CASES = NOT_READY | WARNINGS


@pytest.mark.parametrize(
    "case", [case for case, (_, check) in CASES.items() if check.startswith(SHARED)]
)
def test_the_doctor_finds_the_same_in_the_same_words(case: str) -> None:
    snapshot, check = CASES[case]
    assert found(snapshot, owner=None)[check] == found(snapshot)[check]


def test_leases_are_counted_by_what_they_are_for() -> None:
    assert leases_by_kind(
        ["partition/1", "partition/2", "source/EVENTS/ntbridge", "relay"]
    ) == {
        "partition": 2,
        "source": 1,
        "relay": 1,
    }
