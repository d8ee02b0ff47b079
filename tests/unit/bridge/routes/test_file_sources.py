"""Sources in a routes file: checked when it is loaded, with their places."""

from pathlib import Path

import pytest

from bridge.errors import RoutesError
from bridge.routes.live import LiveRoutes
from bridge.routes.loading import load_routes
from bridge.routes.table import table_of
from bridge.settings.source_settings import SettingsSources, SourceSettings
from bridge.sources import SourceMessage
from tests.support.descriptors import descriptor_set
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
        load_routes(path, SettingsSources((SourceSettings(stream="O", decode="text"),)))
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
        load_routes(path, SettingsSources((wrong,)))


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


PROTOBUF = "  - {{stream: O, decode: protobuf, protobuf: {{descriptors: {}, message: {}}}}}\n"


@pytest.mark.parametrize(
    ("where", "name", "problem"),
    [
        ("gone.pb", "'\"acme.Order\"'", "gone.pb cannot be read"),
        ("wrong.pb", "'\"acme.Order\"'", "wrong.pb is not a compiled descriptor set"),
        (
            "part.pb",
            "'\"acme.Order\"'",
            "lacks acme/money.proto, which acme/order.proto imports",
        ),
        ("sets", "'\"acme.Refund\"'", "no message type 'acme.Refund'"),
        ("empty", "'\"acme.Order\"'", "cannot be read"),
        ("sets", "data.name", "cannot be read before the message type is known"),
        ("sets", "acme.Order", "undeclared reference"),
    ],
)
def test_descriptor_sets_are_checked(
    tmp_path: Path, where: str, name: str, problem: str
) -> None:
    (tmp_path / "wrong.pb").write_bytes(b"\xff")
    (tmp_path / "part.pb").write_bytes(descriptor_set(whole=False))
    for folder in ("sets", "empty"):
        (tmp_path / folder).mkdir()
    (tmp_path / "sets" / "acme.binpb").write_bytes(descriptor_set())
    path = routes_file(tmp_path, PROTOBUF.format(where, name))
    with pytest.raises(RoutesError) as raised:
        load_routes(path)
    assert problem in str(raised.value)
    assert f"{path}:2:" in str(raised.value)


async def test_a_changed_descriptor_set_is_put_in_force(tmp_path: Path) -> None:
    sets = tmp_path / "sets"
    sets.mkdir()
    path = routes_file(tmp_path, PROTOBUF.format("sets", "'headers[\"proto\"]'"))
    (sets / "acme.binpb").write_bytes(descriptor_set(whole=False) + descriptor_set())
    live = LiveRoutes(path, every=0.01)
    await live.start()
    try:
        before = live.table
        (sets / "acme.binpb").write_bytes(descriptor_set())
        await eventually(lambda: live.table is not before)
        message = SourceMessage(
            topic="o", stream="O", headers={"proto": "acme.Payment"}, arrived_ns=1
        )
        for each in (live.table, table_of(live.table.definition)):
            assert each.sources.decoder("O", "o").decode(message).data == b'{"paid":false}'
    finally:
        await live.stop()
