"""Sample routes and events, for a quick start and for the tests."""

from importlib import resources
from pathlib import Path

from bridge.errors import SettingsError

_FILES = resources.files(__name__)

ROUTES = Path(str(_FILES / "routes.yaml"))
"""The routes of `ntbridge dev` in a folder without ``routes.yaml``."""


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
        SettingsError: The sample does not exist.
    """
    if name not in names():
        raise SettingsError(f"unknown sample {name!r}; the samples are {', '.join(names())}")
    return (_FILES / f"{name}.json").read_bytes()
