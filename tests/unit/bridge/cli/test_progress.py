"""How far a long command has come, where there is no terminal."""

import pytest

from bridge.cli.progress import Bar


def test_rate_and_time_left_count_what_this_run_did(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr("bridge.cli.progress.time.monotonic", lambda: now)
    with Bar("replayed", 1000) as bar:
        bar.skip(400)
        assert capsys.readouterr().err == ""
        now = 110.0
        bar.step(200)
        assert capsys.readouterr().err == "ntbridge: 600 of 1000 replayed, 20/s, 20 s left\n"
        bar.say("waiting, 200 dispatches are open")
        bar.say("")
        assert capsys.readouterr().err == "ntbridge: waiting, 200 dispatches are open\n"


def test_without_an_end_in_sight_none_is_promised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr("bridge.cli.progress.time.monotonic", lambda: now)
    with Bar("looked at", None) as bar:
        now = 200.0
        bar.step(100)
    assert capsys.readouterr().err == "ntbridge: 100 looked at, 0/s\n"
