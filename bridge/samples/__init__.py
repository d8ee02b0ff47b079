"""Sample routes and events, for the first ten minutes and for the tests."""

from importlib import resources
from pathlib import Path

from bridge.errors import SettingsError

_FILES = resources.files(__name__)

ROUTES = Path(str(_FILES / "routes.yaml"))
"""The routes that `ntbridge dev` uses when the folder has no ``routes.yaml``."""


def names() -> list[str]:
    """Return the names of the sample events."""
    return sorted(
        file.name.removesuffix(".json")
        for file in _FILES.iterdir()
        if file.name.endswith(".json")
    )


def event(name: str) -> bytes:
    """Return a sample event in the CloudEvents JSON format, without an id.

    Raises:
        SettingsError: There is no such sample.
    """
    if name not in names():
        raise SettingsError(f"there is no sample {name!r}; there is {', '.join(names())}")
    return (_FILES / f"{name}.json").read_bytes()
