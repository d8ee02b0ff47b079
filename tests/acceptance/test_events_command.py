"""`ntbridge events` and `ntbridge results` in a folder with a running stack."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Dev, Done, following, ntbridge
from tests.support.daemon import REQUESTED
from tests.support.publishing import PROMPT, event
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

PREFIX = "io.quantum-suite.code-generation"
FLAGS = ("--type", REQUESTED, "--data", json.dumps(PROMPT))
UNROUTED = ("--type", "io.quantum-suite.nobody.cares.v1", "--data", "{}")


async def stored(dev: Dev, correlation: str) -> list[dict[str, object]]:
    done = await ntbridge(
        "events", "tail", "--no-follow", "--correlation", correlation, cwd=dev.folder
    )
    assert done.code == 0, done.err
    return done.rows


def published_id(done: Done) -> str:
    return done.out.splitlines()[0]


async def test_publish_and_wait_shows_the_way_to_the_end(dev: Dev) -> None:
    done = await ntbridge("events", "publish", "--wait", *FLAGS, cwd=dev.folder)
    assert done.code == 0, done.err
    event_id, *results = done.out.splitlines()
    shown = [json.loads(line) for line in results]
    assert [row["type"].removeprefix(f"{PREFIX}.") for row in shown] == [
        *("prompt-parsed.v1", "code-generated.v1", "code-validated.v1"),
        *("fingerprint-recorded.v1", "completed.v1"),
    ]
    assert {row["correlationid"] for row in shown} == {event_id}
    # Behind the closing event comes the seal, for which nobody waits.
    assert (await stored(dev, event_id))[1 : len(shown) + 1] == shown

    async def verified() -> bool | None:
        """The key is found beside the running stack; the seal may come a moment late."""
        verify = await ntbridge("provenance", "verify", event_id, cwd=dev.folder)
        assert verify.code == 0, verify.out + verify.err
        return True

    await eventually(verified, what="a run that is vouched for")


async def test_a_pipeline_that_fails_is_exit_code_1_and_says_why(dev: Dev) -> None:
    done = await ntbridge(
        *("events", "publish", "--wait", "--type", REQUESTED),
        *("--data", '{"prompt": "Write a distributed database"}'),
        cwd=dev.folder,
    )
    assert done.code == 1
    last = json.loads(done.out.splitlines()[-1])
    assert last["type"] == f"{PREFIX}.failed.v1"
    assert last["data"]["reason"]


async def test_what_never_ends_is_exit_code_5(dev: Dev) -> None:
    done = await ntbridge(
        "events", "publish", "--wait", "--timeout", "0.5", *UNROUTED, cwd=dev.folder
    )
    assert done.code == 5
    assert f"events explain {published_id(done)}" in done.err


async def test_a_repeat_is_told_and_waits_for_what_has_happened_already(dev: Dev) -> None:
    again = (*FLAGS, "--id", "published-twice", "--source", "/tests")
    first = await ntbridge("events", "publish", "--wait", *again, cwd=dev.folder)
    second = await ntbridge(
        "events", "publish", "--wait", "--timeout", "20", *again, cwd=dev.folder
    )
    assert (first.code, second.code) == (0, 0), second.err
    assert "already in the stream" in second.err
    assert first.out == second.out


async def test_events_come_from_files_standard_input_and_samples(
    dev: Dev, tmp_path: Path
) -> None:
    file = tmp_path / "event.json"
    content = event(
        "io.quantum-suite.nobody.cares.v1",
        {"a": [1, "é"]},
        subject="one",
        tenant="t1",
        time="2026-01-02T03:04:05.678901234+01:00",
    )
    file.write_text(json.dumps(content))
    piped = {**content, "id": "from-standard-input"}
    runs = await asyncio.gather(
        ntbridge("events", "publish", str(file), cwd=dev.folder),
        ntbridge("events", "publish", "-", cwd=dev.folder, stdin=json.dumps(piped).encode()),
        ntbridge("events", "publish", "--sample", "code-generation", cwd=dev.folder),
        ntbridge(
            *("events", "publish", *UNROUTED, "--source", "/flags", "--subject", "s"),
            *("--extension", "tenant=t2", "--topic", "events.other.name", "-o", "json"),
            cwd=dev.folder,
        ),
    )
    assert [done.code for done in runs] == [0, 0, 0, 0], [done.err for done in runs]
    by_file, by_stdin, by_sample, by_flags = runs
    assert (published_id(by_file), published_id(by_stdin)) == (content["id"], piped["id"])
    flagged = json.loads(by_flags.out)["published"]

    async with following("events", "tail", "--since", "1h", cwd=dev.folder) as tail:
        wanted = {content["id"], piped["id"], published_id(by_sample), flagged}
        rows: dict[str, Any] = {}
        while not wanted <= rows.keys():
            row = await tail.row()
            rows[row["id"]] = row
        assert (await tail.interrupt()).code == 130
    assert rows[content["id"]] == {**content, "topic": "events.nobody.cares"}
    assert rows[piped["id"]] == {**piped, "topic": "events.nobody.cares"}
    assert rows[published_id(by_sample)]["data"] == PROMPT
    given = rows[flagged]
    assert (given["source"], given["subject"], given["tenant"]) == ("/flags", "s", "t2")
    assert given["topic"] == "events.other.name"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--type", "a.b.c.v1", "--data", "{nonsense"), 1, "--data is not JSON"),
        (("nowhere.json",), 1, "cannot read nowhere.json"),
        ((), 1, "'type' is missing"),
        (("--extension", "nonsense"), 2, "name=value"),
        (("--nonsense",), 2, ""),
        (("--sample", "nonsense"), 3, "unknown sample 'nonsense'"),
        (("--type", "a.b.c.v1", "--topic", "elsewhere.x"), 1, "no stream takes the subject"),
        (("--type", "a.b.c.v1", "--topic", "events.>"), 1, "is not a valid subject"),
        (("--type", REQUESTED, "--data", '{"promt": "x"}'), 2, "ntbridge events schema"),
        ((*UNROUTED, "--nats-url", "nats://127.0.0.1:1"), 4, "cannot connect to NATS"),
        ((*UNROUTED, "--nats-prefix", "a b"), 3, "nats.prefix (from the flag --nats-prefix)"),
    ],
)
async def test_what_cannot_be_published_is_told(
    dev: Dev, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = await ntbridge("events", "publish", *arguments, cwd=dev.folder)
    assert (done.code, done.out) == (code, ""), done.err
    assert message in done.err
    assert "Traceback" not in done.err


async def test_results_are_watched_live_and_from_the_past(dev: Dev) -> None:
    async with following("results", "watch", cwd=dev.folder) as live:
        await live.said("listening")
        done = await ntbridge("events", "publish", "--wait", *FLAGS, cwd=dev.folder)
        event_id, *results = done.out.splitlines()
        shown = [json.loads(line) for line in results]
        seen: list[dict[str, Any]] = []
        while len(seen) < len(shown):  # runs of other tests may still emit
            row = await live.row()
            if row["correlationid"] == event_id:
                seen.append(row)
        ended = await live.interrupt()
    assert seen == shown
    assert ended.code == 130
    assert "Traceback" not in ended.err
    selections = [
        ("--correlation", event_id, "--since", "1h"),
        ("--type", shown[-1]["type"], "--since", "1h"),
    ]
    async with following("results", "watch", *selections[0], cwd=dev.folder) as past:
        assert [await past.row() for _ in shown] == shown
        assert (await past.interrupt()).code == 130
    async with following("results", "watch", *selections[1], cwd=dev.folder) as typed:
        assert (await typed.row())["type"] == shown[-1]["type"]
        assert (await typed.interrupt()).code == 130
