"""Sources in a routes file: checked when it is loaded, with their places."""

from pathlib import Path

import pytest

from bridge.errors import RoutesError
from bridge.routes.live import LiveRoutes
from bridge.routes.loading import load_routes
from bridge.routes.table import table_of
from bridge.settings.source_settings import SourceSettings
from bridge.sources import SourceMessage
from tests.support.waiting import eventually

ROUTES = "routes: []\n"


def routes_file(folder: Path, sources: str) -> Path:
    path = folder / "routes.yaml"
    path.write_text(f"sources:\n{sources}{ROUTES}", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("sources", "problem"),
    [
        (
            "  - stream: O\n    decode: json\n    event: {id: data.id +}\n",
            ":4:26: source O, event.id: Syntax error",
        ),
        (
            "  - stream: O\n    decode: json\n    event:\n      id: event.id\n",
            ":5:16: source O, event.id: undeclared reference to 'event.id'",
        ),
        (
            "  - stream: O\n    decode: json\n    event: {id: size(data) > 1}\n",
            ":4:17: source O, event.id: 'size(data) > 1' gives bool, where text is needed",
        ),
        (
            "  - stream: O\n    event: {id: data.id}\n",
            "source number 1: 'event' has no effect",
        ),
        (
            "  - {stream: O, decode: json, event: {extensions: {ntbridgesource: data.x}}}\n",
            "cannot be an extension attribute",
        ),
        ("  - {stream: O, decode: xml}\n", "source number 1, decode"),
        ("  - {stream: O, decod: json}\n", "did you mean 'decode'?"),
        ("  - {stream: O}\n  - {stream: O}\n", ":3:5: source O: the source O is given twice"),
        (
            "  - {stream: O, subject: a.>, decode: json}\n  - {stream: O, subject: '*.b'}\n",
            "O (*.b) and O (a.>) may have the same messages",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, sources: str, problem: str) -> None:
    path = routes_file(tmp_path, sources)
    with pytest.raises(RoutesError) as raised:
        load_routes(path)
    assert problem in str(raised.value)


def test_a_contradiction_with_the_settings_names_both(tmp_path: Path) -> None:
    path = routes_file(tmp_path, "  - {stream: O, decode: json}\n")
    with pytest.raises(RoutesError) as raised:
        load_routes(path, [SourceSettings(stream="O", decode="text")])
    assert f"{path}:2:17: source O: 'decode' is 'json' in {path} and 'text'" in str(
        raised.value
    )


def test_a_mistake_in_the_settings_is_named_too(tmp_path: Path) -> None:
    path = routes_file(tmp_path, "  - {stream: O}\n")
    wrong = SourceSettings.model_validate(
        {"stream": "P", "decode": "json", "event": {"id": "nothing"}}
    )
    with pytest.raises(
        RoutesError, match=r"intake.sources of the settings, source P, event.id"
    ):
        load_routes(path, [wrong])


def test_another_process_makes_the_same_events(tmp_path: Path) -> None:
    path = routes_file(
        tmp_path, "  - {stream: O, subject: o.>, decode: json, event: {id: data.id}}\n"
    )
    table = load_routes(path)
    message = SourceMessage(topic="o.a", payload=b'{"id": "1"}', stream="O", arrived_ns=1)
    for each in (table, table_of(table.definition)):
        event = each.sources.decoder("O", "o.a").decode(message)
        assert (event.id, event.source, event.type) == ("1", "/nats/O", "dev.ntbridge.o.a")


async def test_a_running_daemon_makes_other_events_after_a_reload(tmp_path: Path) -> None:
    path = routes_file(tmp_path, "  - {stream: O, decode: json}\n")
    live = LiveRoutes(path, every=0.01)
    await live.start()
    try:
        before = live.table
        routes_file(
            tmp_path, "  - {stream: O, decode: text, consumer: c}\n  - {stream: ADDED}\n"
        )
        await eventually(lambda: live.table is not before)
        assert [
            (each.stream, each.decode, each.consumer) for each in live.table.sources.settings
        ] == [("O", "text", "ntbridge")]
    finally:
        await live.stop()
