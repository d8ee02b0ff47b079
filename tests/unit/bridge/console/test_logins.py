"""Token files and sessions."""

from pathlib import Path

import pytest

from bridge.console.access import Identity
from bridge.console.sessions import Sessions
from bridge.console.tokens import as_yaml, identify, new_token, tokens_of
from bridge.errors import SettingsError
from bridge.settings.console import ConsoleSettings

ADA = Identity("ada", "operator", "token")


def test_a_token_of_the_file_names_a_person(tmp_path: Path) -> None:
    text, entry = new_token("ada", "operator")
    other, second = new_token("bob", "viewer")
    path = tmp_path / "tokens.yaml"
    path.write_text(as_yaml([entry, second]))
    assert text not in path.read_text()
    _, third = new_token("operator", "operator")
    settings = ConsoleSettings(tokens=path, operator_sha256=third.sha256)
    tokens = tokens_of(settings)
    assert identify(tokens, f" {text}\n") == ADA
    assert identify(tokens, other) == Identity("bob", "viewer", "token")
    assert len(tokens) == 3
    for wrong in ("", "ntb_", text[:-1], entry.sha256, "\ud800"):
        assert identify(tokens, wrong) is None
    assert tokens_of(ConsoleSettings()) == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("tokens: [{name: a, role: admin, sha256: x}]", "role"),
        ("tokens: [{name: a, role: viewer, sha256: x}]", "sha256"),
        ("tokens: [", "cannot be read"),
        ("token: []", "token"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=said) as refusal:
        tokens_of(ConsoleSettings(tokens=path))
    assert "tokens.yaml" in str(refusal.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        tokens_of(ConsoleSettings(tokens=tmp_path / "none.yaml"))


def test_a_session_ends_by_time_by_logout_and_for_newer_ones() -> None:
    now = 0.0
    sessions = Sessions(60.0, lambda: now)
    first = sessions.begin(ADA)
    assert sessions.find(first) == ADA
    assert sessions.find(first + "x") is None
    now = 60.0
    assert sessions.find(first) is None
    second = sessions.begin(ADA)
    sessions.end(second)
    assert sessions.find(second) is None
    third = sessions.begin(ADA)
    for _ in range(1_000):
        sessions.begin(ADA)
    assert sessions.find(third) is None


def test_the_token_of_a_form_is_that_of_its_session_and_person() -> None:
    sessions = Sessions(60.0, lambda: 0.0)
    mine, other = sessions.begin(ADA), sessions.begin(ADA)
    token = sessions.csrf_token(mine, ADA)
    assert sessions.is_csrf_token(token, mine, ADA)
    assert not sessions.is_csrf_token(token, other, ADA)
    assert not sessions.is_csrf_token(token, mine, Identity("bob", "operator", "token"))
    assert not sessions.is_csrf_token("é", mine, ADA)
    assert not Sessions(60.0, lambda: 0.0).is_csrf_token(token, mine, ADA)
