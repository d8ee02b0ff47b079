"""The settings of Temporal: the default namespace, and the others that routes can name."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from bridge.runtime.codec.settings import CodecSettings
from bridge.runtime.durations import Duration
from bridge.runtime.payload_store import PayloadSettings
from bridge.runtime.strict import DEFAULT_NAMESPACE
from bridge.runtime.temporal_connection import ALTERNATIVES, TemporalConnection
from bridge.settings.source_settings import Section

_OF_A_SERVER = frozenset(
    {"api_key", "api_key_file", "grpc_meta", "tls_server_name"}
    | {f"tls_client_{part}_{form}" for part in ("cert", "key") for form in ("path", "data")}
)
"""What identifies the server, or the client to it: never used with another server."""


class TemporalSettings(TemporalConnection, Section):
    """The connection to Temporal."""

    call_timeout: Duration = 10.0
    """Timeout of one call."""
    codec: CodecSettings = CodecSettings()
    """How payloads are encoded before Temporal gets them; default: not at all."""
    payloads: PayloadSettings = PayloadSettings()
    """Where large payloads are stored instead of in Temporal; default: nowhere."""


class NamespacesSettings(TemporalSettings):
    """The connection to Temporal's default namespace, and those to the others."""

    namespaces: Mapping[
        Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")], TemporalSettings
    ] = Field(default_factory=dict)
    """The other namespaces that routes can name, each with a connection of its own. What an entry
    leaves out is as in ``temporal``, but an entry with another address inherits no credentials;
    ``namespace``, the name on the server, is by default the entry's name."""

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, given: Any) -> Any:
        entries = given.get("namespaces") if isinstance(given, Mapping) else None
        if not isinstance(entries, Mapping):
            return given
        inherited = {key: value for key, value in given.items() if key != "namespaces"}
        return {
            **given,
            "namespaces": {
                name: {"namespace": name, **_merged(inherited, entry or {})}
                if isinstance(entry, Mapping | None)
                else entry
                for name, entry in entries.items()
            },
        }

    @model_validator(mode="after")
    def _are_different(self) -> Self:
        seen: dict[tuple[str, str], str] = {}
        for name, each in self.each.items():
            shown = "temporal.namespace" if name == DEFAULT_NAMESPACE else f"namespaces.{name}"
            other = seen.setdefault((each.address, each.namespace), shown)
            if other != shown:
                raise ValueError(
                    f"{other} and {shown} are the same namespace {each.namespace!r} of "
                    f"{each.address}: remove one"
                )
            if name == self.namespace:
                raise ValueError(f"{shown} has the name of the default namespace: rename it")
        return self

    @property
    def each(self) -> Mapping[str, TemporalSettings]:
        """The connection to each namespace; the default one is `DEFAULT_NAMESPACE`, and the first."""
        return {DEFAULT_NAMESPACE: self, **self.namespaces}

    @property
    def names(self) -> Sequence[str]:
        """The names that routes can use, that of the default namespace first."""
        return (self.namespace, *self.namespaces)


def _merged(inherited: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry with what it inherits: neither the name nor what it sets in another way."""
    for name in ("profile", "config_file"):
        if name in entry:
            raise ValueError(
                f"namespaces cannot have a {name} of their own: set temporal.{name}"
            )
    replaced = {"namespace"}
    if "address" in entry:
        replaced.update(_OF_A_SERVER)
    for names in ALTERNATIVES:
        if not entry.keys().isdisjoint(names):
            replaced.update(names)
    return {**{key: inherited[key] for key in inherited.keys() - replaced}, **entry}
