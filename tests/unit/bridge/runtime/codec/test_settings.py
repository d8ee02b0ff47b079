from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.errors import SettingsError
from bridge.runtime.codec import CodecSettings, codec_of
from bridge.runtime.codec.encryption import EncryptionCodec
from bridge.runtime.codec.remote import RemoteCodec
from bridge.settings.schema import Settings
from bridge.settings.sources import from_environment, load
from tests.unit.bridge.runtime.codec.builders import K1, K2, key_file
from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError

DATABASE = {"DATABASE_URL": "postgresql://u@127.0.0.1/d"}


def daemon(**environ: str) -> Settings:
    return load([from_environment(environ)]).settings


def worker(monkeypatch: pytest.MonkeyPatch, **environ: str) -> WorkerSettings:
    for name, value in {**DATABASE, **environ}.items():
        monkeypatch.setenv(name, value)
    return WorkerSettings.read({})


def test_without_a_setting_there_is_no_codec() -> None:
    assert not daemon().temporal.codec.is_on
    assert codec_of(CodecSettings(), "default") is None


def test_daemon_and_worker_read_a_file_of_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(key_file(tmp_path / "keys.toml", "k2", k1=K1, k2=K2))
    for settings in (
        daemon(NTBRIDGE_TEMPORAL__CODEC__KEYS_FILE=path).temporal.codec,
        worker(monkeypatch, NTBRIDGE_WORKER_CODEC__KEYS_FILE=path).codec,
    ):
        codec = codec_of(settings, "default")
        assert isinstance(codec, EncryptionCodec)
        assert codec.keys.current == "k2"


def test_daemon_and_worker_read_keys_from_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = f'{{"K-1": "{K1}"}}'
    for settings in (
        daemon(
            NTBRIDGE_TEMPORAL__CODEC__KEYS=keys, NTBRIDGE_TEMPORAL__CODEC__CURRENT="K-1"
        ).temporal.codec,
        worker(
            monkeypatch,
            NTBRIDGE_WORKER_CODEC__KEYS=keys,
            NTBRIDGE_WORKER_CODEC__CURRENT="K-1",
        ).codec,
    ):
        codec = codec_of(settings, "default")
        assert isinstance(codec, EncryptionCodec)
        assert codec.keys.current == "K-1"
        assert K1 not in repr(settings)


def test_daemon_and_worker_read_the_token_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("t0ken\n")
    for settings in (
        daemon(
            NTBRIDGE_TEMPORAL__CODEC__REMOTE="https://codec.example/x",
            NTBRIDGE_TEMPORAL__CODEC__TOKEN_FILE=str(token),
        ).temporal.codec,
        worker(
            monkeypatch,
            NTBRIDGE_WORKER_CODEC__REMOTE="https://codec.example/x",
            NTBRIDGE_WORKER_CODEC__TOKEN_FILE=str(token),
        ).codec,
    ):
        assert settings.token is not None
        assert settings.token.get_secret_value() == "t0ken"
        assert "t0ken" not in repr(settings)
        assert isinstance(codec_of(settings, "default"), RemoteCodec)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"keys": {"k1": K1}}, "'current' is missing"),
        ({"keys": {"k1": K1}, "current": "k2"}, "'current' names 'k2'"),
        ({"keys": {"k1": K1[:-4]}, "current": "k1"}, "'k1' is not base64|'k1' has"),
        ({"keys": {}, "current": "k1"}, "none of the keys"),
        ({"current": "k1"}, "current belongs to keys"),
        ({"token": "t0ken"}, "token belongs to remote"),
        (
            {"keys": {"k1": K1}, "current": "k1", "remote": "https://codec"},
            "keys and remote are both set",
        ),
        ({"keys_file": "/no/such/file"}, "/no/such/file cannot be read"),
        ({"remote": "codec:80"}, "must have the form https"),
        ({"remote": "http://codec.example"}, "would receive contents unencrypted: use https"),
        ({"remote": "https://me:s3cr3t@codec"}, "no user, password or query"),
        ({"remote": "https://codec/?token=s3cr3t"}, "no user, password or query"),
        ({"key_file": "x"}, "Extra inputs|unknown"),
    ],
)
def test_a_wrong_setting_is_refused_without_its_secrets(
    given: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError, match=words):
        CodecSettings.model_validate(given)
    shown = []
    source = from_environment({})
    values = {f"temporal.codec.{key}": value for key, value in given.items()}
    with pytest.raises(SettingsError) as raised:
        load([type(source)("the file", values)])
    shown.append(str(raised.value))
    for key, value in given.items():
        text = str(value).replace("'", '"')
        monkeypatch.setenv(f"NTBRIDGE_WORKER_CODEC__{key.upper()}", text)
    with pytest.raises(InvalidSettingError) as refused:
        worker(monkeypatch)
    shown.append(str(refused.value))
    for text in shown:
        assert all(each not in text for each in (K1, K1[:-4], "t0ken", "s3cr3t"))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8081", "http://localhost", "https://codec/x"]
)
def test_an_address_is_accepted_when_contents_stay_unread(url: str) -> None:
    assert CodecSettings(remote=url).is_on


def test_a_codec_server_that_others_reach_needs_a_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-of-the-tests")
    given = {"NTBRIDGE_CODEC_SERVER__HOST": "0.0.0.0"}
    with pytest.raises(SettingsError, match="everyone who reaches"):
        daemon(**given)
    found = daemon(**given, NTBRIDGE_CODEC_SERVER__TOKEN_FILE=str(token)).codec_server
    assert found.token == "a-token-of-the-tests"
    assert "a-token" not in repr(found)
    with pytest.raises(SettingsError) as raised:
        daemon(NTBRIDGE_CODEC_SERVER__TOKEN="sh0rt")
    assert "sh0rt" not in str(raised.value)


def test_other_namespaces_have_the_codec_or_one_of_their_own(tmp_path: Path) -> None:
    path = str(key_file(tmp_path / "keys.toml", "k2", k1=K1, k2=K2))
    other = {"remote": "https://codec.example"}
    source = from_environment({"NTBRIDGE_TEMPORAL__CODEC__KEYS_FILE": path})
    entries: dict[str, object] = {
        "temporal.namespaces.same": {},
        "temporal.namespaces.own": {"codec": {**other}},
    }
    found = load([source, type(source)("the file", entries)]).settings.temporal
    assert found.namespaces["same"].codec.keys_file == Path(path)
    assert found.namespaces["own"].codec == CodecSettings.model_validate(other)
    entries["temporal.namespaces.own"] = {"codec": {"keys": {"k1": "s3cr3t"}, "current": "k1"}}
    with pytest.raises(SettingsError) as raised:
        load([source, type(source)("the file", entries)])
    assert "s3cr3t" not in str(raised.value)
