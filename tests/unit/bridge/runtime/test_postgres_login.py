"""A database URL without a user gets the login of the variables; any other stays as it is."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.runtime.errors import SecretFileError
from bridge.runtime.postgres_login import with_login

LOGIN = {"POSTGRES_USER": "quantum", "POSTGRES_PASSWORD": "s/e@c"}


@pytest.mark.parametrize(
    ("url", "completed"),
    [
        ("postgresql://db/quantum", "postgresql://quantum:s%2Fe%40c@db/quantum"),
        ("postgres://a,b:1/q?sslmode=require", "postgres://quantum:s%2Fe%40c@a,b:1/q?sslmode=require"),
        ("postgresql:///q?host=/run/db", "postgresql://quantum:s%2Fe%40c@/q?host=/run/db"),
    ],
)  # fmt: skip
def test_a_url_without_a_user_is_completed(url: str, completed: str) -> None:
    assert with_login(url, LOGIN) == (completed, ["POSTGRES_USER", "POSTGRES_PASSWORD"])


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://own@db/q",
        "postgresql://own:secret@db/q",
        "postgresql://db/q?user=own",
        "postgresql:///?service=own",
        "mysql://db/q",
        "postgresql://[db",
    ],
)
def test_any_other_url_stays_as_it_is(url: str) -> None:
    assert with_login(url, LOGIN) == (url, [])


def test_a_password_alone_is_no_login() -> None:
    assert with_login("postgresql://db", {"POSTGRES_PASSWORD": "x"}) == ("postgresql://db", [])
    assert with_login("postgresql://db", {"POSTGRES_USER": "u"}) == (
        "postgresql://u@db",
        ["POSTGRES_USER"],
    )


def test_either_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x y\n")
    environ = {"POSTGRES_USER": "u", "POSTGRES_PASSWORD_FILE": str(tmp_path / "password")}
    assert with_login("postgresql://db", environ)[0] == "postgresql://u:x%20y@db"
    with pytest.raises(SecretFileError, match="both set"):
        with_login("postgresql://db", {**environ, "POSTGRES_PASSWORD": "z"})


@given(user=st.text(min_size=1), password=st.text(min_size=1))
def test_any_login_is_read_back(user: str, password: str) -> None:
    environ = {"POSTGRES_USER": user, "POSTGRES_PASSWORD": password}
    parts = urlsplit(with_login("postgresql://db/q", environ)[0])
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (user, password)
    assert parts.hostname == "db"
