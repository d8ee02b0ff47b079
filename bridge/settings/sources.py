"""The sources of settings, and their precedence.

From highest to lowest precedence: flags, environment, file (``--config``, ``NTBRIDGE_CONFIG`` or
``ntbridge.yaml``), the named profile of ``temporal.toml``, the development stack running in this
folder, defaults. Every key can be set as ``NTBRIDGE_<SECTION>__<KEY>``; those in `WELL_KNOWN` also by
their usual names, which ``NTBRIDGE_…`` overrides. A secret can be in a file (of Docker, Kubernetes or
systemd), named by the variable with ``_FILE`` appended.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from bridge.errors import SettingsError
from bridge.runtime import secret_files, temporal_config
from bridge.runtime.errors import ProfileError, SecretFileError
from bridge.runtime.postgres_login import with_login
from bridge.runtime.secret_files import IN_FILE
from bridge.runtime.temporal_connection import ALTERNATIVES, SECRETS
from bridge.settings import strict_yaml
from bridge.settings.nats_connection import NATS_ALTERNATIVES
from bridge.settings.schema import Section, Settings

PREFIX = "NTBRIDGE_"
WELL_KNOWN: Mapping[str, str] = {
    "NATS_URL": "nats.url",
    "POSTGRES_URL": "database.url",
    "DATABASE_URL": "database.url",
}
"""Environment variables that other tools use too, and their keys; of two with one key the later one
overrides the earlier. Those of Temporal are in `bridge.runtime.temporal_config`."""

DEFAULT_FILE = Path("ntbridge.yaml")
_SECRET = frozenset(
    {
        *("nats.url", "nats.password", "nats.token"),
        "database.url",
        "temporal.codec.token",
        "codec_server.token",
        *(f"temporal.{name}" for name in SECRETS),
    }
)
"""Keys whose value may be in a file."""
_HIDDEN = _SECRET | {"temporal.codec.keys"}
"""Keys whose value no message shows."""
_READ_AGAIN = frozenset({"temporal.api_key", "nats.password", "nats.token"})
"""Secrets whose file is a setting of its own, ``<key>_file``, because it is read again later."""
_EXCLUSIVE = tuple(
    tuple(f"{section}.{name}" for name in names)
    for section, pairs in (("temporal", ALTERNATIVES), ("nats", NATS_ALTERNATIVES))
    for names in pairs
)
"""Keys of which a source that sets one overrides the others of later sources."""
_OF_A_NAMESPACE = re.compile(r"^temporal\.namespaces(\.[^.]+)?")
_NOT_SETTINGS = frozenset(
    {"NTBRIDGE_CONFIG", "NTBRIDGE_STATE", "NTBRIDGE_CRASH_AT", "NTBRIDGE_FREEZE_AT"}
)
_FOREIGN = ("NTBRIDGE_WORKER_", "NTBRIDGE_TEST_")
"""Prefixes of variables that are not settings of the bridge: the worker's and the tests'."""

_SECTIONS = frozenset(
    name
    for name, setting in Settings.model_fields.items()
    if isinstance(setting.default, Section)
)


@dataclass(frozen=True)
class Source:
    """Settings of one source, by dotted key."""

    label: str
    values: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)
    """Overrides ``label`` for single keys, such as by the name of the variable."""

    def label_of(self, key: str) -> str:
        """Return where a key of this source was set."""
        return self.labels.get(key, self.label)


@dataclass(frozen=True)
class Loaded:
    """Settings, with the origin of each key that was set."""

    settings: Settings
    origins: Mapping[str, str]


def load(sources: Sequence[Source]) -> Loaded:
    """Combine the sources; an earlier source overrides a later one.

    Raises:
        SettingsError: A key is unknown or its value is wrong; has key, origin and reason.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source in reversed(sources):
        for key in _overridden(source.values):
            values.pop(key, None)
            origins.pop(key, None)
        for key, value in source.values.items():
            values[key] = value
            origins[key] = source.label_of(key)
    try:
        settings = Settings.model_validate(_nested(values, origins))
    except ValidationError as error:
        raise SettingsError(_explain(error, origins)) from None
    return Loaded(settings, origins)


def from_environment(environ: Mapping[str, str] = os.environ) -> Source:
    """Read the environment: the well-known names, overridden by ``NTBRIDGE_…``.

    Raises:
        SettingsError: The file of a secret is unreadable or empty, or the secret is set in
            another variable too.
    """
    usual, labels = _usual(environ)
    values: dict[str, Any] = {}
    for name, value in environ.items():
        if name in _NOT_SETTINGS or name.startswith(_FOREIGN) or not name.startswith(PREFIX):
            continue
        in_file = name.removesuffix(IN_FILE)
        key = _key(name)
        if in_file != name and _in_default(_key(in_file)) in _SECRET:
            if value:
                content, label = _secret(in_file, environ)
                again = _in_default(_key(in_file)) in _READ_AGAIN
                key, found = (key, value) if again else (_key(in_file), content)
                values[key], labels[key] = found, label
        else:
            values[key], labels[key] = _parsed(name, value), f"the environment variable {name}"
    for key in _overridden(values):
        usual.pop(key, None)
    combined = {**usual, **values}
    _log_in(combined, labels, environ)
    return Source("the environment", combined, labels)


def from_profile(given: Mapping[str, Any]) -> Source:
    """Read a profile of ``temporal.toml``; see `temporal_config.profile_for`.

    Raises:
        SettingsError: The file or the profile does not exist, or is not valid.
    """
    try:
        found = temporal_config.profile_for(given)
    except ProfileError as error:
        raise SettingsError(str(error)) from None
    return _source_of(found, "temporal.toml")


def _usual(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the variables that other tools use too; return values and labels."""
    try:
        temporal = _source_of(temporal_config.from_variables(environ), "the environment")
    except (SecretFileError, ProfileError) as error:
        raise SettingsError(str(error)) from None
    values, labels = dict(temporal.values), dict(temporal.labels)
    for name, key in WELL_KNOWN.items():
        if environ.get(name):
            values[key], labels[key] = environ[name], f"the environment variable {name}"
        if key in _SECRET and environ.get(name + IN_FILE):
            values[key], labels[key] = _secret(name, environ)
    return values, labels


def _log_in(values: dict[str, Any], labels: dict[str, str], environ: Mapping[str, str]) -> None:
    """Add the login of ``POSTGRES_USER`` to a database URL that has none."""
    key = "database.url"
    if key not in values:
        return
    try:
        values[key], used = with_login(values[key], environ)
    except SecretFileError as error:
        raise SettingsError(str(error)) from None
    if used:
        labels[key] += f", with {' and '.join(used)}"


def _source_of(given: Mapping[str, temporal_config.SettingValue], label: str) -> Source:
    return Source(
        label,
        {f"temporal.{name}": each.value for name, each in given.items()},
        {f"temporal.{name}": each.origin for name, each in given.items()},
    )


def _overridden(values: Mapping[str, Any]) -> list[str]:
    """Return the keys that these values override, besides their own."""
    return [key for keys in _EXCLUSIVE if not values.keys().isdisjoint(keys) for key in keys]


def from_file(path: Path | None) -> Source:
    """Read a YAML file; without a path ``ntbridge.yaml``, if it exists.

    Raises:
        SettingsError: The file cannot be read or is not a mapping.
    """
    if path is None and not DEFAULT_FILE.exists():
        return Source("no file", {})
    path = path or DEFAULT_FILE
    try:
        _, content = strict_yaml.parse(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        # Not the error itself: it quotes the line, which may contain a password.
        raise SettingsError(f"the settings file {path} is not YAML{_where(error)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error}") from error
    if not isinstance(content, dict | None):
        raise SettingsError(f"the settings file {path} must be a mapping of sections")
    values: dict[str, Any] = {}
    for key, value in _flat(content or {}):
        if key in values:  # in a section, and with a dot
            raise SettingsError(f"the settings file {path} gives {key} twice")
        values[key] = value
    return Source(f"the file {path}", values)


def from_flags(values: Mapping[str, Any]) -> Source:
    """Return the flags of the command line; ``None`` means not given."""
    given = {key: value for key, value in values.items() if value is not None}
    labels = {key: f"the flag --{key.replace('.', '-').replace('_', '-')}" for key in given}
    return Source("the command line", given, labels)


def _key(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower().replace("__", ".")


def _secret(variable: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the content of the file that ``<variable>_FILE`` names, and its label."""
    named = variable + IN_FILE
    try:
        found = secret_files.content(variable, environ[named], beside=environ.get(variable))
    except SecretFileError as error:
        raise SettingsError(str(error)) from None
    return found, f"the file {environ[named]} (environment variable {named})"


def _parsed(name: str, value: str) -> Any:
    """Parse a list or mapping as YAML; return everything else as text.

    Raises:
        SettingsError: The value starts like a list or mapping, and is not YAML.
    """
    if not value.startswith(("[", "{")) or _in_default(_key(name)) in _SECRET:
        return value
    try:
        return strict_yaml.parse(value)[1]
    except yaml.YAMLError as error:
        raise SettingsError(
            f"the environment variable {name} is not YAML{_where(error)}"
        ) from None


def _flat(content: Mapping[Any, Any], before: str = "") -> list[tuple[str, Any]]:
    items: list[tuple[str, Any]] = []
    for name, value in content.items():
        key = f"{before}{name}"
        if key in _SECTIONS and value in (None, {}):
            continue  # a heading with nothing under it
        nested = isinstance(value, dict) and value
        items += _flat(value, f"{key}.") if nested else [(key, value)]
    return items


def _where(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        return ""
    mark = error.problem_mark
    place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    return f": {place}{error.problem}"


def _nested(values: Mapping[str, Any], origins: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
            if not isinstance(branch, dict):
                raise SettingsError(
                    f"{key} (from {origins[key]}): {section!r} is set to a single value elsewhere, "
                    "but is a section",
                )
        if isinstance(branch.get(name), dict):
            raise SettingsError(f"{key} (from {origins[key]}): is a section, not a value")
        branch[name] = value
    return tree


def _explain(error: ValidationError, origins: Mapping[str, str]) -> str:
    lines = []
    for fault in error.errors(include_url=False):
        key = ".".join(str(part) for part in fault["loc"])
        origin = origins.get(key) or next(
            (origin for name, origin in origins.items() if name.startswith(f"{key}.")),
            "the defaults",
        )
        if fault["type"] == "extra_forbidden":
            lines.append(f"{key} (from {origin}): unknown setting")
        elif _is_secret(key):
            lines.append(f"{key} (from {origin}): {fault['msg']}")
        else:
            lines.append(f"{key} (from {origin}): {fault['msg']}, not {fault['input']!r}")
    return "; ".join(lines)


def _in_default(key: str) -> str:
    """Return a key of one of ``temporal.namespaces`` as that of the default namespace."""
    return _OF_A_NAMESPACE.sub("temporal", key)


def _is_secret(key: str) -> bool:
    """Return whether a key is a secret, contains one, or is part of one."""
    key = _in_default(key)
    return any(
        f"{one}.".startswith(f"{other}.")
        for secret in _HIDDEN
        for one, other in ((key, secret), (secret, key))
    )
