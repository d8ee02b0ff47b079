import threading
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from bridge.runtime.codec import data_converter
from bridge.runtime.codec.encryption import ENCRYPTED, EncryptionCodec, key_id_of
from bridge.runtime.codec.keys import FixedKeys
from bridge.runtime.errors import CodecError
from tests.unit.bridge.runtime.codec.builders import K1, K2, keys_of, settings

PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'{"marked": true}')


def codec(current: str = "k1", **keys: str) -> EncryptionCodec:
    return EncryptionCodec(FixedKeys(keys_of(keys or {"k1": K1}, current)))


async def test_a_payload_comes_back_as_it_was_and_is_unreadable_meanwhile() -> None:
    (encoded,) = await codec().encode([PLAIN])
    assert b"marked" not in encoded.SerializeToString()
    assert key_id_of(encoded) == "k1"
    assert await codec().decode([encoded]) == [PLAIN]


async def test_the_same_payload_is_never_encoded_alike() -> None:
    one, other = await codec().encode([PLAIN, PLAIN])
    assert one.data != other.data


async def test_the_format_is_that_of_the_samples_of_the_sdks() -> None:
    """Nonce of 12 bytes, ciphertext, tag; nothing else authenticated; the key's id in the metadata."""
    (encoded,) = await codec().encode([PLAIN])
    assert dict(encoded.metadata) == {"encoding": ENCRYPTED, "encryption-key-id": b"k1"}
    opened = AESGCM(b"\x01" * 32).decrypt(encoded.data[:12], encoded.data[12:], None)
    assert Payload.FromString(opened) == PLAIN


async def test_a_payload_of_before_the_codec_passes() -> None:
    assert await codec().decode([PLAIN]) == [PLAIN]


async def test_an_older_key_still_decrypts() -> None:
    before = await codec().encode([PLAIN])
    after = codec("k2", k1=K1, k2=K2)
    assert await after.decode(before) == [PLAIN]
    assert key_id_of((await after.encode([PLAIN]))[0]) == "k2"


async def test_without_a_current_key_payloads_are_only_decrypted() -> None:
    encoded = await codec().encode([PLAIN])
    switching = codec("")
    assert await switching.encode([PLAIN]) == [PLAIN]
    assert await switching.decode(encoded) == [PLAIN]


async def test_an_unknown_key_is_named_and_so_is_where_to_add_it() -> None:
    payloads = await codec("k2", k2=K2).encode([PLAIN])
    with pytest.raises(
        CodecError, match=r"the key 'k2', which is not known here \(known: k1\)"
    ):
        await codec().decode([PLAIN, *payloads])


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:11],
        lambda _data: b"",
    ],
)
async def test_a_changed_payload_is_refused(harm: Callable[[bytes], bytes]) -> None:
    (encoded,) = await codec().encode([PLAIN])
    broken = Payload(metadata=dict(encoded.metadata), data=harm(encoded.data))
    with pytest.raises(CodecError, match="cannot be decrypted with the key 'k1'"):
        await codec().decode([broken])


async def test_another_key_under_the_same_id_is_refused() -> None:
    encoded = await codec(k1=K2).encode([PLAIN])
    with pytest.raises(CodecError, match="another key under this id"):
        await codec().decode(encoded)


@pytest.mark.parametrize(("size", "in_thread"), [(200_000, False), (300_000, True)])
async def test_a_large_payload_leaves_the_event_loop_free(
    size: int,
    in_thread: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[threading.Thread] = []

    class Noting:
        def encrypt(self, _nonce: bytes, data: bytes, _associated: None) -> bytes:
            seen.append(threading.current_thread())
            return data

    keys = keys_of({"k1": K1}, "k1")
    monkeypatch.setitem(keys.ciphers, "k1", Noting())
    await EncryptionCodec(FixedKeys(keys)).encode([Payload(data=b"x" * size)])
    assert (seen[0] is not threading.main_thread()) is in_thread


async def test_failures_hide_their_message_and_stack_trace() -> None:
    converter = data_converter(settings(), "default")
    failure = Failure()
    with pytest.raises(ApplicationError) as raised:
        _fail()
    await converter.encode_failure(raised.value, failure)
    assert b"secret" not in failure.SerializeToString()
    assert b"test_encryption" not in failure.SerializeToString()
    found = await converter.decode_failure(failure)
    assert str(found) == "outer secret"
    assert "inner secret" in str(found.__cause__)


def _fail() -> None:
    try:
        int("inner secret")
    except ValueError as inner:
        raise ApplicationError("outer secret", {"detail": "secret"}) from inner
