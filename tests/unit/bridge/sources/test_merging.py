"""Sources in the settings and in the routes file."""

from typing import Any

import pytest

from bridge.settings.source_settings import DEFAULT_SOURCES, SettingsSources, SourceSettings
from bridge.sources.merging import Contradiction, merged
from bridge.sources.reloading import running


def source(**settings: Any) -> SourceSettings:
    return SourceSettings.model_validate(settings)


EVENTS = SourceSettings()
ORDERS = source(stream="ORDERS")


@pytest.mark.parametrize(
    ("written", "in_file", "expected"),
    [
        (None, [], [EVENTS]),
        ([ORDERS], [], [ORDERS]),
        (None, [ORDERS], [ORDERS]),
        ([EVENTS], [ORDERS], [EVENTS, ORDERS]),
        ([ORDERS], [source(stream="ORDERS", subject="orders.>")], None),
        ([], [ORDERS], [ORDERS]),
    ],
)
def test_both_places_name_sources(
    written: list[SourceSettings] | None,
    in_file: list[SourceSettings],
    expected: list[SourceSettings] | None,
) -> None:
    found = merged(
        DEFAULT_SOURCES if written is None else SettingsSources(tuple(written)),
        in_file,
        "routes.yaml",
    )
    assert list(found) == (expected or [*(written or ()), *in_file])


def test_a_default_source_with_another_name_applies_only_if_the_file_names_none() -> None:
    default = SettingsSources((source(stream="IN"),), named=False)
    assert merged(default, [], "routes.yaml") == (source(stream="IN"),)
    assert merged(default, [ORDERS], "routes.yaml") == (ORDERS,)


def test_a_source_may_be_described_in_both() -> None:
    where = source(stream="ORDERS", consumer="orders-reader")
    what = source(stream="ORDERS", decode="json", event={"id": "data.id"})
    (found,) = merged(SettingsSources((where,)), [what], "routes.yaml")
    assert (found.consumer, found.decode, found.event.id) == (
        "orders-reader",
        "json",
        "data.id",
    )
    assert merged(SettingsSources((found,)), [what], "routes.yaml") == (found,)


def test_a_contradiction_names_both_places() -> None:
    with pytest.raises(Contradiction) as raised:
        merged(
            SettingsSources((source(stream="ORDERS", decode="text"),)),
            [source(stream="ORDERS", decode="json")],
            "routes.yaml",
        )
    assert "'decode' is 'json' in routes.yaml and 'text' in intake.sources" in str(raised.value)
    assert (raised.value.index, raised.value.setting) == (0, "decode")


def test_one_of_several_sources_is_named_by_its_consumer() -> None:
    two = SettingsSources(
        (source(stream="ORDERS", consumer="a"), source(stream="ORDERS", consumer="b"))
    )
    with pytest.raises(Contradiction, match="name the consumer"):
        merged(two, [source(stream="ORDERS", decode="json")], "routes.yaml")
    found = merged(two, [source(stream="ORDERS", consumer="b", decode="json")], "routes.yaml")
    assert [each.decode for each in found] == ["cloudevents", "json"]


def test_a_reload_changes_only_how_messages_become_events() -> None:
    old = [source(stream="A", decode="json"), source(stream="B"), source(stream="C")]
    new = [
        source(stream="A", decode="json", event={"id": "data.id"}),
        source(stream="B", consumer="other", decode="text"),
        source(stream="D"),
    ]
    found = running(old, new)
    assert found.settings == (
        new[0],
        source(stream="B", decode="text"),
        source(stream="C"),
    )
    assert [each.partition(":")[0] for each in found.waiting] == ["B", "C", "D"]
