"""The connections of the settings that may be unencrypted. Pure."""

from dataclasses import replace

from bridge.errors import SettingsError
from bridge.runtime.encryption import PlainConnection, plain_postgres, plain_temporal, refusal
from bridge.runtime.host_header import is_loopback
from bridge.settings.schema import NatsSettings, Settings, TemporalSettings


def plain_connections(settings: Settings) -> list[PlainConnection]:
    """Return the connections to other machines for which TLS is not required.

    Where TLS is not required, an attacker who answers in the server's place can refuse encryption and
    receives user, password and events.
    """
    from eventstore.dsn import plaintext_hosts  # noqa: PLC0415 - imports the driver

    return [
        *plain_postgres(plaintext_hosts(settings.database.url)),
        *_plain_nats(settings.nats),
        *(
            plain
            for name, each in settings.temporal.each.items()
            for plain in _plain_temporal(name, each)
        ),
    ]


def require_encryption(settings: Settings) -> None:
    """Refuse settings with unencrypted connections to other machines, unless ``insecure`` is set.

    Raises:
        SettingsError: Names each connection, and what encrypts it.
    """
    why = refusal(plain_connections(settings), insecure=settings.insecure)
    if why is not None:
        raise SettingsError(why)


def _plain_temporal(name: str, temporal: TemporalSettings) -> list[PlainConnection]:
    plain = plain_temporal(temporal)
    if not name:
        return plain
    return [replace(each, to_do=f"set temporal.namespaces.{name}.tls: true") for each in plain]


def _plain_nats(nats: NatsSettings) -> list[PlainConnection]:
    return [
        PlainConnection(f"NATS {host}", "write tls:// in nats.url, NATS_URL")
        for host in nats.plain_hosts
        if not is_loopback(host)
    ]
