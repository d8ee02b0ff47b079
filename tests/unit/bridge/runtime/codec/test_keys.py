import base64
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.runtime.codec.keys import KeyFile, keys_of
from bridge.runtime.errors import KeyFileError
from tests.unit.bridge.runtime.codec.builders import K1, K2, key_file

SHORT = base64.b64encode(b"\x01" * 16).decode()


def test_a_file_has_keys_and_the_current_one(tmp_path: Path) -> None:
    ring = KeyFile(key_file(tmp_path / "keys.toml", "k2", k1=K1, k2=K2))
    assert ring.keys().current == "k2"
    assert ring.keys().ids == "k1, k2"


def test_a_changed_file_is_read_when_a_key_is_missing(tmp_path: Path) -> None:
    path = key_file(tmp_path / "keys.toml", "k1", k1=K1)
    ring = KeyFile(path)
    key_file(path, "k1", k1=K1, k2=K2)
    assert "k2" in ring.newest().ciphers


def test_a_changed_file_is_read_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = key_file(tmp_path / "keys.toml", "k1", k1=K1)
    ring = KeyFile(path)
    key_file(path, "k2", k1=K1, k2=K2)
    assert ring.keys().current == "k1"
    passed = time.monotonic() + 1.0
    monkeypatch.setattr(time, "monotonic", lambda: passed)
    assert ring.keys().current == "k2"


@pytest.mark.parametrize("content", ["", "current = ", 'current = "k9"\n[keys]\nk1 = "x"'])
def test_a_file_that_becomes_wrong_leaves_the_keys_in_use(tmp_path: Path, content: str) -> None:
    path = key_file(tmp_path / "keys.toml", "k1", k1=K1)
    ring = KeyFile(path)
    path.write_text(content)
    with capture_logs() as logs:
        assert ring.newest().ids == "k1"
        assert ring.newest().ids == "k1"
    assert [each["event"] for each in logs] == ["codec.keys_not_read"]
    assert ring.problem is not None
    key_file(path, "k2", k2=K2)
    assert ring.newest().current == "k2"
    assert ring.problem is None


def test_a_file_that_vanishes_leaves_the_keys_in_use(tmp_path: Path) -> None:
    path = key_file(tmp_path / "keys.toml", "k1", k1=K1)
    ring = KeyFile(path)
    path.unlink()
    assert ring.newest().current == "k1"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f'current = "k1"\n[keys]\nk1 = "{SHORT}"', "'k1' has 16 bytes; it must have 32"),
        ('current = "k1"\n[keys]\nk1 = "s3cr3t-s3cr3t!"', "'k1' is not base64"),
        (f'current = "k2"\n[keys]\nk1 = "{K1}"', "'current' names 'k2'"),
        (f'[keys]\nk1 = "{K1}"', "'current' is missing"),
        (
            f'current = "k1"\n[keys]\nk1 = "{K1}"\nk1 = "{K2}"',
            r"not TOML, or gives a key twice \(at",
        ),
        (f'current = "k1"\nk1 = "{K1}"', "more than 'current'"),
        ('current = "k1"\n[keys]\nk1 = 7', "base64 texts"),
        ('current = 1\n[keys]\nk1 = "x"', "not a key id"),
        (f'current = "a b"\n[keys]\n"a b" = "{K1}"', "key id 'a b' must have"),
    ],
)
def test_a_wrong_file_is_refused_without_its_keys(
    tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(content)
    with pytest.raises(KeyFileError, match=words) as raised:
        KeyFile(path)
    assert str(path) in str(raised.value)
    assert all(key not in str(raised.value) for key in (K1, K2, SHORT, "s3cr3t"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"gone\.toml cannot be read: No such file"):
        KeyFile(tmp_path / "gone.toml")


def test_keys_are_not_shown() -> None:
    assert K1 not in repr(keys_of({"k1": K1}, "k1"))
