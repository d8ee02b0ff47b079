"""The configuration of Temporal's own tools: the variables ``TEMPORAL_…`` and ``temporal.toml``.

The SDK's `temporalio.envconfig` reads the file. The variables are read here, because each value needs
its origin for error messages and ``ntbridge doctor``; a test compares the result with the SDK's.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bridge.runtime import secret_files
from bridge.runtime.errors import ProfileError
from bridge.runtime.secret_files import IN_FILE
from bridge.runtime.temporal_connection import ALTERNATIVES, DEFAULT_PORT, TemporalConnection

if TYPE_CHECKING:
    from temporalio.envconfig import ClientConfigProfile

PREFIX = "TEMPORAL_"
_GRPC_META = "TEMPORAL_GRPC_META_"
_HOST = "TEMPORAL_HOST"
"""The older name of ``TEMPORAL_ADDRESS``, which overrides it; the port may be left out."""
_UNVERIFIED = "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION"

VARIABLES: Mapping[str, str] = {
    f"{PREFIX}{name.upper()}": name
    for name in TemporalConnection.model_fields
    if name != "grpc_meta"
}
"""The variables, with the names of the settings of `TemporalConnection`."""


class SettingValue(NamedTuple):
    """A value, and where it was set."""

    value: Any
    origin: str


def from_variables(environ: Mapping[str, str]) -> dict[str, SettingValue]:
    """Read the variables ``TEMPORAL_…``; an empty one counts as not set.

    Returns:
        The values by setting. A header of ``grpc_meta`` is ``grpc_meta.<name>``.

    Raises:
        SecretFileError: The file of the API key cannot be used, or the key is set twice.
        ProfileError: A variable asks for what the SDK for Python cannot do.
    """
    if environ.get(_UNVERIFIED, "").lower() in {"true", "1"}:
        raise ProfileError(
            f"{_UNVERIFIED} is not supported, because anyone could answer in the server's place: set "
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH and TEMPORAL_TLS_SERVER_NAME instead"
        )
    given = {}
    if host := environ.get(_HOST):
        address = host if _ends_with_port(host) else f"{host}:{DEFAULT_PORT}"
        given["address"] = SettingValue(address, f"the environment variable {_HOST}")
    for variable, name in VARIABLES.items():
        if not environ.get(variable):
            continue
        origin = f"the environment variable {variable}"
        if variable.endswith(IN_FILE) and name == "api_key_file":
            secret = variable.removesuffix(IN_FILE)
            secret_files.content(secret, environ[variable], beside=environ.get(secret))
            origin = f"the file {environ[variable]} (environment variable {variable})"
        given[name] = SettingValue(environ[variable], origin)
    for variable, value in environ.items():
        if variable.startswith(_GRPC_META) and value:
            header = variable.removeprefix(_GRPC_META).lower().replace("_", "-")
            given[f"grpc_meta.{header}"] = SettingValue(
                value, f"the environment variable {variable}"
            )
    return given


def _ends_with_port(host: str) -> bool:
    return host.rpartition("]")[2].rpartition(":")[2].isdigit() and ":" in host


def default_file(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file that Temporal's tools read when no other is named; None if there is none."""
    folder = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or "/") / ".config")
    path = Path(folder) / "temporalio" / "temporal.toml"
    return path if path.is_file() else None


def from_profile(path: Path | None, name: str | None) -> dict[str, SettingValue]:
    """Read a profile of ``temporal.toml``.

    Args:
        path: The file; None for the default one.
        name: The profile; None for ``default``, which need not exist.

    Returns:
        The values by setting, as `from_variables`.

    Raises:
        ProfileError: The file or the profile does not exist, or is not valid.
    """
    file = path or default_file()
    if file is None:
        raise ProfileError(
            f"no file has Temporal's profile {name!r}: set temporal.config_file "
            "(TEMPORAL_CONFIG_FILE)"
        )
    profile = _loaded(file, name)
    origin = f"the profile {name or 'default'} of {file}"
    return {key: SettingValue(value, origin) for key, value in _values(profile).items()}


def profile_for(given: Mapping[str, object]) -> dict[str, SettingValue]:
    """Return the values of the profile that settings from elsewhere ask for.

    A profile that no setting names is used only when nothing else sets Temporal's address: its API
    key must not be sent to another server.

    Args:
        given: The settings of `TemporalConnection` that are set elsewhere; values may be `SettingValue`.

    Raises:
        ProfileError: As `from_profile`.
    """
    name, file = (_plain(given.get(key)) for key in ("profile", "config_file"))
    if name or file:
        return from_profile(Path(file) if file else None, name or None)
    return {} if "address" in given or default_file() is None else from_profile(None, None)


def merged(sources: Sequence[Mapping[str, SettingValue]]) -> dict[str, SettingValue]:
    """Combine sources; an earlier one overrides the later ones, `ALTERNATIVES` included."""
    values: dict[str, SettingValue] = {}
    for source in reversed(sources):
        for names in ALTERNATIVES:
            if not source.keys().isdisjoint(names):
                for name in names:
                    values.pop(name, None)
        values.update(source)
    return values


def _plain(value: object) -> str:
    value = value.value if isinstance(value, SettingValue) else value
    return "" if value is None else str(value)


def _loaded(file: Path, name: str | None) -> "ClientConfigProfile":
    from temporalio.envconfig import ClientConfigProfile  # noqa: PLC0415 - slow to import

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ProfileError(f"Temporal's file {file} cannot be read: {why}") from None
    try:
        return ClientConfigProfile.load(name, config_source=text, disable_env=True)
    except Exception as error:  # noqa: BLE001 - the SDK's error is of a private class
        # The first line only: the following ones quote the file, which may contain a key.
        reason = str(error).partition("\n")[0].removeprefix("Configuration loading error: ")
        raise ProfileError(f"Temporal's file {file}: {reason}") from None


def _values(profile: "ClientConfigProfile") -> dict[str, Any]:
    values: dict[str, Any] = {
        "address": profile.address,
        "namespace": profile.namespace,
        "api_key": profile.api_key,
        **{f"grpc_meta.{name}": value for name, value in profile.grpc_meta.items()},
    }
    if (tls := profile.tls) is not None:
        values["tls"] = not tls.disabled
        values["tls_server_name"] = tls.server_name
        sources = (tls.server_root_ca_cert, tls.client_cert, tls.client_private_key)
        for (path, data), source in zip(ALTERNATIVES[1:], sources, strict=True):
            if isinstance(source, Path):
                values[path] = source
            elif source is not None:
                values[data] = source.decode() if isinstance(source, bytes) else source
    return {key: value for key, value in values.items() if value is not None and value != ""}
