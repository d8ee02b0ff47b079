"""JSON Schemas for the data of events, one file for each type, checked at intake.

``schemas/<event type>.json`` in the folder of the routes file is the schema of that type's data
(draft 2020-12 unless it names another). An event that violates its schema is not recorded as an
event: the delivery becomes a dead letter with its bytes and the reason, code ``schema``. After the
schema or the publisher is corrected, a redrive takes the delivery in like any other.

Patterns are matched in linear time. A pattern with look-around or backreferences, which needs more,
is refused when the schemas are loaded.

A schema may refer to others in the folder by file name (``"$ref": "address.json"``). Nothing is
fetched from elsewhere.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec

from bridge.errors import RoutesError
from bridge.operations.fetching import EXTENSION
from eventstore.events import Event

FOLDER = "schemas"
_SUFFIX = ".json"
_BASE = "schemas:/"
_MAX_REASON = 500
_MAX_FAULTS = 3


class SchemaRegistry:
    """The schemas in force, by event type."""

    def __init__(
        self,
        validators: Mapping[str, jsonschema_rs.Validator],
        contents: Mapping[str, Any] | None = None,
    ) -> None:
        self._validators = validators
        self.contents = contents or {}
        """The schema documents, by file name."""

    @property
    def types(self) -> frozenset[str]:
        """The event types that have a schema."""
        return frozenset(self._validators)

    def check(self, event: Event) -> str | None:
        """Return how an event violates the schema of its type; None if it does not.

        The data of an event without data is checked as ``null``; data that are elsewhere (the
        extension ``dataref``) are not checked.
        """
        validator = self._validators.get(event.type)
        if validator is None:
            return None
        if event.data is None:
            if EXTENSION in event.extensions:
                return None
            data = None
        elif not event.has_json_data:
            return f"the data of {event.type} must be JSON, not {event.datacontenttype}"
        else:
            try:
                data = msgspec.json.decode(event.data)
            except (ValueError, RecursionError, msgspec.MsgspecError) as error:
                return f"the data cannot be read: {error}"
        if validator.is_valid(data):
            return None
        return "; ".join(_faults(validator, data))


NO_SCHEMAS = SchemaRegistry({})


def load_schemas(folder: Path) -> SchemaRegistry:
    """Read and check the schemas of a folder; return none if the folder does not exist.

    Raises:
        RoutesError: A file cannot be read, is not a JSON Schema, or refers to a missing schema.
    """
    if not folder.is_dir():
        return NO_SCHEMAS
    return schemas_of(
        {path.name: _read(path) for path in sorted(folder.glob(f"*{_SUFFIX}"))}, folder
    )


def schemas_of(contents: Mapping[str, Any], folder: Path = Path()) -> SchemaRegistry:
    """Check schema documents, given by file name.

    Raises:
        RoutesError: One is not a JSON Schema, or refers to a missing schema.
    """

    def retrieve(uri: str) -> Any:
        name = uri.removeprefix(_BASE)
        if uri.startswith(_BASE) and name in contents:
            return contents[name]
        raise RoutesError(f"{uri} is not in the folder {folder}")

    validators = {}
    for name, schema in contents.items():
        try:
            validator = jsonschema_rs.validator_for(
                schema,
                retriever=retrieve,
                base_uri=f"{_BASE}{name}",
                pattern_options=jsonschema_rs.RegexOptions(),
            )
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise RoutesError(f"{folder / name}: no JSON Schema: {_why(error)}") from None
        validators[name.removesuffix(_SUFFIX)] = validator
    return SchemaRegistry(validators, contents)


def _read(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise RoutesError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise RoutesError(f"{path}: no JSON: {error}") from None


def _faults(validator: jsonschema_rs.Validator, data: Any) -> list[str]:
    faults: list[str] = []
    for error in validator.iter_errors(data):
        if len(faults) == _MAX_FAULTS:
            faults.append("and more")
            break
        where = "".join(f".{step}" for step in error.instance_path)
        faults.append(f"data{where}: {error.message[:_MAX_REASON]}")
    return faults


def _why(error: Exception) -> str:
    line = str(error).partition("\n")[0]
    if line.endswith('is not a "regex"'):
        return (
            f"{line} that can be matched in linear time: look-around and backreferences are not "
            "supported"
        )
    return line
