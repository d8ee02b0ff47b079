"""An event from a file, a sample and flags."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bridge import samples
from bridge.cli import exits
from bridge.cli.exits import Exit
from bridge.errors import BridgeError, DecodeError
from bridge.jetstream.publishing import complete
from eventstore.events import Event


def composed(
    file: Path | None,
    sample: str | None,
    flags: Mapping[str, str | None],
    extensions: Sequence[str],
    data: str | None,
) -> Event:
    """Return the event of a file or sample, or of flags alone; flags override.

    Raises:
        Exit: File and sample are both given, or a flag is wrong.
        BridgeError: The file cannot be read or is not a CloudEvent.
    """
    members = {**_members(file, sample), **_given(flags), **_extensions(extensions)}
    if data is not None:
        members["data"] = _json(data, "--data")
    members.setdefault("source", "/ntbridge/cli")
    return complete(members)


def check_data(event: Event) -> None:
    """Check the data of an event whose type has a schema that ships.

    Raises:
        Exit: The data violates it.
    """
    from bridge.samples.event_types import violation

    if (fault := violation(event)) is not None:
        raise Exit(
            exits.USAGE,
            f"not published, because {event.type} does not allow it: {fault}; see "
            f"'ntbridge events schema {event.type}'",
        )


def members_in(file: Path) -> dict[str, Any]:
    """Return the members of the JSON object in a file, or on standard input ("-").

    Raises:
        Exit: The name looks like a flag.
        BridgeError: The file cannot be read or is not a JSON object.
    """
    return _object(bytes_in(file), "standard input" if str(file) == "-" else str(file))


def bytes_in(file: Path) -> bytes:
    """Return the bytes of a file, or of standard input ("-").

    Raises:
        Exit: The name looks like a flag.
        BridgeError: The file cannot be read.
    """
    if str(file) == "-":
        return sys.stdin.buffer.read()
    if str(file).startswith("-"):
        raise Exit(exits.USAGE, f"unknown option {file}")
    try:
        return file.read_bytes()
    except OSError as error:
        raise BridgeError(f"cannot read {file}: {error.strerror}") from error


def _members(file: Path | None, sample: str | None) -> dict[str, Any]:
    if file is not None and sample is not None:
        raise Exit(exits.USAGE, "give a file or --sample, not both")
    if sample is not None:
        return _object(samples.event(sample), f"the sample {sample}")
    return {} if file is None else members_in(file)


def _object(text: bytes, name: str) -> dict[str, Any]:
    members = _json(text, name)
    if not isinstance(members, dict):
        raise BridgeError(f"{name} must hold one CloudEvent, a JSON object")
    return members


def _json(text: str | bytes, name: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError("json", f"{name} is not JSON: {error}") from error


def _given(flags: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in flags.items() if value is not None}


def _extensions(pairs: Sequence[str]) -> dict[str, str]:
    parted = [pair.partition("=") for pair in pairs]
    for name, equals, _ in parted:
        if not equals:
            raise Exit(exits.USAGE, f"--extension needs name=value, not {name!r}")
    return {name: value for name, _, value in parted}
