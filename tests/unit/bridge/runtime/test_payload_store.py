"""Large payloads in an object store: references that every SDK reads, and faults that are told apart."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    DataConverter,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from bridge.operations.calls import CallError
from bridge.runtime.codec import data_converter
from bridge.runtime.codec.settings import CodecSettings
from bridge.runtime.errors import ObjectMissingError, ObjectStoreError, PayloadTooLargeError
from bridge.runtime.payload_store import driver as drivers
from bridge.runtime.payload_store.check import look_at_payload_store
from bridge.runtime.payload_store.driver import ObjectDriver, external_storage
from bridge.runtime.payload_store.reference import is_reference
from bridge.runtime.payload_store.settings import PayloadSettings
from bridge.temporal.payloads import PayloadTransit

PLAIN = CodecSettings()
LARGE = {"text": "x" * 200_000}


@pytest.fixture(params=["folder", "S3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield (tmp_path / "payloads").as_uri()
        return
    pytest.importorskip("moto", reason="moto, a server that speaks S3, is not installed")
    from tests.support.own_s3 import led_to_s3  # noqa: PLC0415 - it needs moto

    with led_to_s3() as found:
        yield found


def converter(url: str, threshold: int = 128 * 1024) -> DataConverter:
    settings = PayloadSettings(store=url, threshold=threshold)
    return data_converter(PLAIN, "default", payloads=settings)


async def stored(driver: ObjectDriver, payload: Payload) -> StorageDriverClaim:
    (claim,) = await driver.store(StorageDriverStoreContext(), [payload])
    return claim


async def read(driver: ObjectDriver, claim: StorageDriverClaim) -> Payload:
    (payload,) = await driver.retrieve(StorageDriverRetrieveContext(), [claim])
    return payload


async def test_only_large_payloads_are_stored_and_both_sides_read_them(url: str) -> None:
    ours, theirs = converter(url), converter(url)
    large, small = await ours.encode([LARGE, {"n": 1}])
    assert is_reference(large)
    assert not is_reference(small)
    assert large.ByteSize() < 1000
    assert await theirs.decode([large, small]) == [LARGE, {"n": 1}]
    # A repeat stores nothing new.
    (again,) = await theirs.encode([LARGE])
    assert again == large


async def test_a_reference_is_that_of_the_sdk_s_own_driver(url: str) -> None:
    driver = ObjectDriver(url, "default")
    claim = await stored(driver, Payload(data=b"x"))
    assert await read(driver, claim) == Payload(data=b"x")
    digest = hashlib.sha256(Payload(data=b"x").SerializeToString()).hexdigest()
    if not url.startswith("s3:"):
        assert driver.name() == "ntbridge.objects"
        return
    from temporalio.contrib.aws.s3driver import S3StorageDriver  # noqa: PLC0415

    from tests.support.own_s3 import SdkClient  # noqa: PLC0415 - it needs moto

    assert claim.claim_data == {
        "bucket": "artefacts",
        "key": f"of-a-test/v0/ns/default/d/sha256/{digest}",
        "hash_algorithm": "sha256",
        "hash_value": digest,
    }
    other = S3StorageDriver(SdkClient(), "artefacts")
    assert other.name() == driver.name()
    assert await other.retrieve(StorageDriverRetrieveContext(), [claim]) == [Payload(data=b"x")]
    (theirs,) = await other.store(StorageDriverStoreContext(), [Payload(data=b"y")])
    assert await read(driver, theirs) == Payload(data=b"y")


async def test_what_is_gone_or_changed_or_elsewhere_is_named(tmp_path: Path) -> None:
    url = (tmp_path / "payloads").as_uri()
    driver = ObjectDriver(url, "default")
    claim = await stored(driver, Payload(data=b"x"))
    (file,) = [each for each in (tmp_path / "payloads").rglob("*") if each.is_file()]
    file.write_bytes(b"something else")
    with pytest.raises(ObjectStoreError, match="another digest"):
        await read(driver, claim)
    file.unlink()
    with pytest.raises(ObjectMissingError):
        await read(driver, claim)
    with pytest.raises(ObjectStoreError, match="is not the key of an object"):
        await read(driver, StorageDriverClaim({**claim.claim_data, "key": "../../etc/passwd"}))
    bucket = ObjectDriver("s3://mine/prefix", "default")
    with pytest.raises(ObjectStoreError, match=r"in the bucket 'theirs', but payloads\.store"):
        await read(bucket, StorageDriverClaim({"bucket": "theirs", "key": "k"}))


async def test_a_payload_too_large_for_any_store_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "MAX_BYTES", 100)
    driver = ObjectDriver(tmp_path.as_uri(), "default")
    with pytest.raises(PayloadTooLargeError, match="at most 100 are stored"):
        await stored(driver, Payload(data=b"x" * 100))


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"store": "ftp://x/y"}, "ftp:// is no object store"),
        ({"store": "s3://key:secret@bucket"}, "has no credentials"),
        ({"store": "s3:///prefix"}, "names no bucket"),
        ({"store": "file:///x", "threshold": "3MiB"}, "less than or equal to"),
        ({"store": "file:///x", "threshold": "10B"}, "greater than or equal to"),
        ({"store": "file:///x", "limit": 1}, "Extra inputs"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        PayloadSettings.model_validate(given)


def test_a_threshold_has_a_unit_and_a_default() -> None:
    assert PayloadSettings.model_validate({"threshold": "256KiB"}).threshold == 256 * 1024
    assert PayloadSettings().threshold == 128 * 1024
    assert external_storage(PayloadSettings(), "default") is None


# What the daemon makes of faults: only a lost payload is final.


def transit(url: str | None) -> PayloadTransit:
    storage = None
    if url is not None:
        storage = external_storage(PayloadSettings(store=url), "default")
    return PayloadTransit(None, storage)


async def failure(of: PayloadTransit, payload: Payload) -> CallError:
    with pytest.raises(CallError) as caught:
        await of.decode([payload])
    return caught.value


async def test_faults_of_the_store_are_told_apart(tmp_path: Path) -> None:
    url = (tmp_path / "payloads").as_uri()
    (large,) = await converter(url).encode([LARGE])
    unset = await failure(transit(None), large)
    assert unset.misconfigured
    assert "set temporal.payloads.store" in str(unset)
    other = await failure(transit("s3://bucket"), large)
    assert other.misconfigured
    assert "ntbridge.objects" in str(other)
    elsewhere = await failure(transit((tmp_path / "other").as_uri()), large)
    assert elsewhere.status == "DATA_LOSS"


@given(data=st.binary(max_size=3000), threshold=st.integers(1024, 2048))
async def test_every_payload_comes_back_as_it_was(
    data: bytes, threshold: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = tmp_path_factory.mktemp("payloads").as_uri()
    sender, receiver = converter(url, threshold), converter(url, threshold)
    (plain,) = await DataConverter.default.encode([data])
    (payload,) = await sender.encode([data])
    assert is_reference(payload) == (plain.ByteSize() >= threshold)
    assert await receiver.decode([payload], [bytes]) == [data]


async def test_the_check_stores_and_reads(url: str, tmp_path: Path) -> None:
    none = await look_at_payload_store(PayloadSettings(), "default")
    assert (none.state, none.detail) == (
        "ok",
        "none: Temporal refuses arguments and results above 2 MB",
    )
    works = await look_at_payload_store(PayloadSettings(store=url), "default")
    assert works.state == "ok", works.detail
    assert url.removeprefix("s3://").partition("/")[0] in works.detail
    taken = tmp_path / "file"
    taken.write_text("")
    fails = await look_at_payload_store(PayloadSettings(store=taken.as_uri()), "default")
    assert fails.state == "failed"
    assert "cannot be stored" in fails.detail
