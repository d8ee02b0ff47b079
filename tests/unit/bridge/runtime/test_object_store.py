"""Objects in a folder and in a bucket of a server that speaks S3: the same behaviour."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.runtime.errors import ObjectMissingError, ObjectStoreError
from bridge.runtime.object_store import ObjectStore
from tests.support.own_s3 import led_to_s3

LARGE = bytes(range(256)) * 40_000


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with led_to_s3() as url:
        yield url


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return ObjectStore.open(str(tmp_path / "objects"))
    return ObjectStore.open(f"{request.getfixturevalue('s3')}/{tmp_path.name}")


async def keys(store: ObjectStore, prefix: str = "") -> dict[str, int]:
    return {each.key: each.size async for each in store.list(prefix)}


async def test_an_object_is_read_as_it_was_put(store: ObjectStore) -> None:
    assert await store.put("a/b", b"one")
    assert await store.put("a/b", b"two")
    assert await store.put("a/large", LARGE)
    assert await store.get("a/b") == b"two"
    assert await store.get("a/large") == LARGE
    assert await store.has("a/b")
    assert not await store.has("a/c")


async def test_an_object_that_exists_can_be_kept(store: ObjectStore) -> None:
    assert await store.put("a", b"one", overwrite=False)
    assert not await store.put("a", b"two", overwrite=False)
    assert await store.get("a") == b"one"


async def test_objects_are_listed_and_deleted_below_a_prefix(store: ObjectStore) -> None:
    for key in ("x/1", "x/y/2", "xy/3"):
        await store.put(key, b"12")
    assert await keys(store) == {"x/1": 2, "x/y/2": 2, "xy/3": 2}
    assert await keys(store, "x") == {"x/1": 2, "x/y/2": 2}
    assert await store.delete_below("x") == 2
    assert await store.delete_below("x") == 0
    await store.delete("xy/3")
    await store.delete("xy/3")
    assert await keys(store) == {}


async def test_a_missing_object_is_named(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissingError, match="has no object a/b"):
        await store.get("a/b")


@pytest.mark.parametrize("key", ["", "../x", "a/../x", "/x", "a//b", "a/./b", "a\0b"])
async def test_no_key_leads_out_of_the_store(store: ObjectStore, key: str) -> None:
    with pytest.raises(ObjectStoreError, match="is not the key"):
        await store.put(key, b"")


def test_a_folder_is_named_as_a_url_or_a_path(tmp_path: Path) -> None:
    by_path = ObjectStore.open(str(tmp_path / "a b"))
    by_url = ObjectStore.open(by_path.url)
    assert by_url.folder == by_path.folder == tmp_path / "a b"
    assert (tmp_path / "a b").is_dir()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://there/x", "ftp:// is no object store"),
        ("s3://key:secret@bucket/x", "has no credentials"),
        ("/dev/null/x", "cannot be opened"),
    ],
)
def test_a_wrong_url_is_refused(url: str, words: str) -> None:
    with pytest.raises(ObjectStoreError, match=words) as refused:
        ObjectStore.open(url)
    assert "secret" not in str(refused.value).replace("AWS_SECRET_ACCESS_KEY", "")


async def test_a_server_that_is_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    store = ObjectStore.open("s3://bucket/x", retries=0)
    with pytest.raises(ObjectStoreError, match="object a"):
        await store.get("a")
