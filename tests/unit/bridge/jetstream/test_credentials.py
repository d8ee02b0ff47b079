"""A file of NATS credentials is read, or refused by name and without what is in it."""

from pathlib import Path

import pytest
from nats.errors import Error as NatsError

from bridge.jetstream.credentials import Credentials
from tests.support.nkeys import Key, creds


@pytest.mark.parametrize("text", ["{seed}", "\n{seed}\r\n"])
def test_the_seed_of_an_nkey_is_read(text: str, tmp_path: Path) -> None:
    key = Key("user")
    file = tmp_path / "user.nk"
    file.write_text(text.format(seed=key.seed), encoding="utf-8")
    found = Credentials(file)
    assert found.public_key == key.public
    assert found.user_jwt is None


def test_a_file_of_jwt_and_seed_is_read(tmp_path: Path) -> None:
    key = Key("user")
    file = tmp_path / "user.creds"
    file.write_text(creds("a.b.c", key.seed), encoding="utf-8")
    found = Credentials(file)
    assert found.public_key == key.public
    assert found.user_jwt is not None
    assert found.user_jwt() == b"a.b.c"


NEITHER = "neither a .creds file nor the seed"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file"),
        (b"", NEITHER),
        (b"SUAAAA", NEITHER),
        (b"\xff\xfe", NEITHER),
        (Key("account").seed.encode(), NEITHER),
        (Key("user").seed.encode()[:-1] + b"!", NEITHER),
        (Key("user").seed.lower().encode(), NEITHER),
        (Key("user").public.encode(), NEITHER),
        (creds("jwt", "no-seed").encode(), NEITHER),
        (creds("jwt", "x").partition("\n\n")[0].encode(), "holds no seed"),
        (creds("jwt", "x").rpartition("\n\n")[2].encode(), "holds no JWT"),
    ],
    ids=range(11),
)
def test_another_file_is_refused_by_name(
    content: bytes | None, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "user.creds"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(NatsError, match=reason) as refusal:
        Credentials(file)
    assert str(file) in str(refusal.value)
    if content:
        assert content.decode("latin-1") not in str(refusal.value)
