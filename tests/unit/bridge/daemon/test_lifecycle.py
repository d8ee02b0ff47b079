"""What the daemon does with itself when it is ready."""

import gc

from bridge.daemon.lifecycle import spare_loaded_objects


class Loaded:
    """Something that lives as long as the daemon."""


def test_what_is_loaded_is_not_visited_by_garbage_collections() -> None:
    loaded = Loaded()
    loaded.itself = loaded  # type: ignore[attr-defined]
    assert any(each is loaded for each in gc.get_objects())
    try:
        spare_loaded_objects()
        assert not any(each is loaded for each in gc.get_objects())
    finally:
        gc.unfreeze()
