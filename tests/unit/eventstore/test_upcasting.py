import msgspec
import pytest

from eventstore.events import Event, StoredEvent
from eventstore.upcasting import Upcasters
from tests.unit.bridge import builders


def stored(event_type: str, version: int) -> StoredEvent:
    event = Event(id="1", source="/s", type=event_type, data=b"{}")
    return builders.stored(event, schema_version=version)


def test_upcasters_are_chained_to_the_newest_version() -> None:
    upcasters = Upcasters()

    @upcasters.register("placed.v1", 1)
    def rename(event: Event) -> Event:
        return msgspec.structs.replace(event, type="placed.v2", data=b'{"v":2}')

    @upcasters.register("placed.v2", 2)
    def extend(event: Event) -> Event:
        return msgspec.structs.replace(event, data=(event.data or b"") + b" ")

    newest = upcasters.apply(stored("placed.v1", 1))
    assert (newest.event.type, newest.schema_version) == ("placed.v2", 3)
    assert newest.event.data == b'{"v":2} '
    assert newest.uid == stored("placed.v1", 1).uid


def test_unknown_types_pass_untouched() -> None:
    event = stored("unknown", 1)
    assert Upcasters().apply(event) is event


def test_two_upcasters_for_one_version_are_a_mistake() -> None:
    upcasters = Upcasters()
    upcasters.register("placed.v1", 1)(lambda event: event)
    with pytest.raises(ValueError, match="two upcasters"):
        upcasters.register("placed.v1", 1)(lambda event: event)


def test_a_circle_is_noticed() -> None:
    upcasters = Upcasters()
    for here, there in (("a.v1", "b.v1"), ("b.v1", "a.v1")):
        upcasters.register(here, 1)(
            lambda event, there=there: msgspec.structs.replace(event, type=there)  # type: ignore[misc]
        )
    with pytest.raises(ValueError, match="cycle"):
        upcasters.apply(stored("a.v1", 1))
