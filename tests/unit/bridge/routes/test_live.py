"""Routes that change while the daemon runs: swapped when sound, kept when not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.errors import RoutesError
from bridge.routes.live import LiveRoutes
from eventstore.events import Event
from tests.support.waiting import eventually

ROUTE = "{{name: {}, from: a.b, start: {{workflow: W, task_queue: q}}}}"
HOUR = 3600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "routes.yaml"
    write(path, "one")
    return path


def write(path: Path, *names: str) -> None:
    says(path, f"routes: [{', '.join(ROUTE.format(name) for name in names)}]")


def says(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def remove(path: Path) -> None:
    path.unlink()


@asynccontextmanager
async def running(path: Path, every: float = 0.01) -> AsyncIterator[LiveRoutes]:
    live = LiveRoutes(path, every=every)
    await live.start()
    try:
        yield live
    finally:
        await live.stop()


def names(live: LiveRoutes) -> set[str]:
    return set(live.table.by_name)


async def test_a_changed_file_is_put_in_force(path: Path) -> None:
    async with running(path) as live:
        assert names(live) == {"one"}
        write(path, "one", "two")
        await eventually(lambda: names(live) == {"one", "two"})
        assert live.route("two") is not None
        assert live.route("three") is None
        assert live.problem is None


async def test_a_wrong_file_leaves_the_old_routes_in_force_and_says_so(path: Path) -> None:
    async with running(path) as live:
        says(path, f"routes: [{ROUTE.format('two')}, {{name: three}}]")
        await eventually(lambda: live.problem is not None)
        assert f"{path}:1:" in (live.problem or "")
        assert names(live) == {"one"}
        write(path, "four")
        await eventually(lambda: names(live) == {"four"})
        assert live.problem is None


async def test_a_file_that_is_gone_leaves_the_old_routes_in_force(path: Path) -> None:
    async with running(path) as live:
        remove(path)
        await eventually(lambda: live.problem is not None)
        assert "does not exist" in (live.problem or "")
        assert names(live) == {"one"}


async def test_a_mended_file_that_is_as_before_ends_the_problem(path: Path) -> None:
    async with running(path) as live:
        says(path, "routes: 1")
        await eventually(lambda: live.problem is not None)
        write(path, "one")
        await eventually(lambda: live.problem is None)
        assert names(live) == {"one"}


async def test_a_changed_schema_is_put_in_force(path: Path) -> None:
    event = Event(id="1", source="/s", type="t", data=b"{}")
    async with running(path) as live:
        assert live.table.schemas.check(event) is None
        (path.parent / "schemas").mkdir()
        (path.parent / "schemas" / "t.json").write_text('{"required": ["n"]}')
        await eventually(lambda: live.table.schemas.check(event) is not None)
        (path.parent / "schemas" / "t.json").write_text("[]")
        await eventually(lambda: live.problem is not None)
        assert live.table.schemas.check(event) is not None


async def test_looking_again_does_not_wait(path: Path) -> None:
    async with running(path, every=HOUR) as live:
        write(path, "two")
        live.look_again()
        await eventually(lambda: names(live) == {"two"})


async def test_an_unchanged_file_changes_nothing(path: Path) -> None:
    async with running(path, every=HOUR) as live:
        table = live.table
        write(path, "one")
        live.look_again()
        await eventually(lambda: live.reloads >= 1)
        assert live.table.routes[0].digest == table.routes[0].digest


async def test_a_table_in_hand_does_not_change(path: Path) -> None:
    async with running(path) as live:
        table = live.table
        write(path, "two")
        await eventually(lambda: names(live) == {"two"})
        assert set(table.by_name) == {"one"}


def test_a_daemon_does_not_start_with_wrong_routes(path: Path) -> None:
    path.write_text("routes: 1")
    with pytest.raises(RoutesError):
        LiveRoutes(path)
