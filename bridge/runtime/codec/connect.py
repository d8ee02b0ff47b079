"""The codec and the data converter that follow from the settings."""

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.runtime.codec.keys import FixedKeys, KeyFile, keys_of
from bridge.runtime.codec.settings import CodecSettings
from bridge.runtime.payload_store.settings import PayloadSettings

if TYPE_CHECKING:
    from temporalio.converter import DataConverter, PayloadCodec


def codec_of(settings: CodecSettings, namespace: str) -> "PayloadCodec | None":
    """Return the codec; None when payloads are not encoded.

    Args:
        settings: Keys or codec server.
        namespace: Temporal's namespace, which a codec server receives.

    Raises:
        KeyFileError: The file of keys has become unreadable since the settings were read.
    """
    # Imported late: settings are read by commands that never connect to Temporal.
    if settings.remote is not None:
        from bridge.runtime.codec.remote import RemoteCodec  # noqa: PLC0415

        token = None if settings.token is None else settings.token.get_secret_value()
        return RemoteCodec(settings.remote, token, namespace, settings.timeout)
    if not settings.is_on:
        return None
    from bridge.runtime.codec.encryption import EncryptionCodec  # noqa: PLC0415

    if settings.keys_file is not None:
        return EncryptionCodec(KeyFile(settings.keys_file))
    texts = {key_id: key.get_secret_value() for key_id, key in (settings.keys or {}).items()}
    return EncryptionCodec(FixedKeys(keys_of(texts, settings.current)))


def data_converter(
    settings: CodecSettings,
    namespace: str,
    base: "DataConverter | None" = None,
    payloads: PayloadSettings | None = None,
) -> "DataConverter":
    """Return the data converter of a client, with the codec and the payload store if there are any.

    With a codec, the messages and stack traces of failures are encoded too.

    Args:
        settings: Keys or codec server.
        namespace: Temporal's namespace.
        base: Converts values to payloads; default: the SDK's own.
        payloads: Where large payloads are stored; default: nowhere.

    Raises:
        KeyFileError: See `codec_of`.
        ObjectStoreError: The folder of the payload store cannot be created.
    """
    from temporalio.converter import (  # noqa: PLC0415 - see above
        DataConverter,
        DefaultFailureConverterWithEncodedAttributes,
    )

    base = base or DataConverter.default
    if payloads is not None and payloads.store is not None:
        from bridge.runtime.payload_store.driver import external_storage  # noqa: PLC0415

        base = replace(base, external_storage=external_storage(payloads, namespace))
    codec = codec_of(settings, namespace)
    if codec is None:
        return base
    return replace(
        base,
        payload_codec=codec,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
