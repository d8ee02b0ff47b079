"""``TEMPORAL_…`` and ``temporal.toml`` mean what they mean to Temporal's own tools, for daemon and worker."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from temporalio.envconfig import ClientConfigProfile
from temporalio.service import TLSConfig

from bridge.devstack.environment import foreign_settings
from bridge.errors import SettingsError
from bridge.runtime.errors import ConnectionFileError, ProfileError
from bridge.runtime.temporal_config import default_file, from_profile, from_variables
from bridge.runtime.temporal_connection import TemporalConnection
from bridge.settings import discovery
from bridge.settings.sources import Source, from_environment, load
from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError

DSN = "postgresql://u@localhost/db"
TOML = """
[profile.default]
address = "default:7233"
namespace = "of-default"

[profile.cloud]
address = "cloud:7233"
namespace = "ns.acct"
api_key = "geheim"

[profile.cloud.tls]
server_name = "front"
server_ca_cert_path = "ca.pem"
client_cert_data = "CERT"
client_key_data = "geheim"

[profile.cloud.grpc_meta]
X-Tenant = "acme"

[profile.plain]
address = "plain:7233"

[profile.plain.tls]
disabled = true
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without files, in an empty folder, and without variables."""
    for name in foreign_settings(list(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NTBRIDGE_INSECURE", "true")
    monkeypatch.chdir(tmp_path)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def toml(home: Path) -> Path:
    """The file in the place where all tools look."""
    path = home / "config" / "temporalio" / "temporal.toml"
    path.parent.mkdir(parents=True)
    path.write_text(TOML)
    return path


def arguments(connection: TemporalConnection) -> dict[str, Any]:
    """What our client is connected with."""
    return {
        "target_host": connection.address,
        "namespace": connection.namespace,
        "api_key": connection.read_api_key(),
        "tls": connection.tls_config(),
        "rpc_metadata": dict(connection.grpc_meta),
    }


def of_sdk(profile: ClientConfigProfile) -> dict[str, Any]:
    """What the SDK's own client is connected with."""
    defaults: dict[str, Any] = {
        "target_host": "127.0.0.1:7233",
        "namespace": "default",
        "api_key": None,
        "tls": False,
        "rpc_metadata": {},
    }
    given = dict(profile.to_client_connect_config())
    given["tls"] = TLSConfig() if given.get("tls") is True else given.get("tls", False)
    return {**defaults, **given}


def of_daemon() -> TemporalConnection:
    return discovery.load()[0].settings.temporal


def of_worker() -> TemporalConnection:
    return WorkerSettings.read({"database_url": DSN}).temporal


@pytest.mark.parametrize("connection", [of_daemon, of_worker])
@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"TEMPORAL_ADDRESS": "t:1", "TEMPORAL_NAMESPACE": "n"},
        {"TEMPORAL_API_KEY": "k"},
        {"TEMPORAL_TLS": "true"},
        {"TEMPORAL_TLS": "false", "TEMPORAL_TLS_SERVER_NAME": "x"},
        {"TEMPORAL_TLS_SERVER_NAME": "front"},
        {"TEMPORAL_TLS_SERVER_CA_CERT_PATH": "ca.pem"},
        {"TEMPORAL_TLS_SERVER_CA_CERT_DATA": "CA"},
        {
            "TEMPORAL_TLS_CLIENT_CERT_PATH": "cert.pem",
            "TEMPORAL_TLS_CLIENT_KEY_PATH": "key.pem",
        },
        {"TEMPORAL_TLS_CLIENT_CERT_DATA": "C", "TEMPORAL_TLS_CLIENT_KEY_DATA": "K"},
        {"TEMPORAL_GRPC_META_X_TENANT": "acme"},
        {"TEMPORAL_CONFIG_FILE": "own.toml"},
        {"TEMPORAL_CONFIG_FILE": "own.toml", "TEMPORAL_PROFILE": "cloud"},
        {"TEMPORAL_CONFIG_FILE": "own.toml", "TEMPORAL_PROFILE": "plain"},
        {
            "TEMPORAL_CONFIG_FILE": "own.toml",
            "TEMPORAL_PROFILE": "cloud",
            "TEMPORAL_ADDRESS": "t:1",
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH": "cert.pem",
            "TEMPORAL_GRPC_META_X_TENANT": "other",
            "TEMPORAL_GRPC_META_MORE": "more",
        },
    ],
)
def test_daemon_and_worker_connect_as_the_sdk_does(
    connection: Any, environ: dict[str, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "own.toml").write_text(TOML)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert arguments(connection()) == of_sdk(ClientConfigProfile.load())


@pytest.mark.parametrize("connection", [of_daemon, of_worker])
def test_the_default_file_is_used_when_nothing_else_names_a_server(
    connection: Any, toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_file() == toml
    assert arguments(connection()) == of_sdk(ClientConfigProfile.load())
    monkeypatch.setenv("TEMPORAL_PROFILE", "cloud")
    assert arguments(connection()) == of_sdk(ClientConfigProfile.load())


@pytest.mark.parametrize("connection", [of_daemon, of_worker])
def test_a_key_is_not_sent_to_another_server_than_its_profile_names(
    connection: Any, toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text('[profile.default]\naddress = "cloud:1"\napi_key = "geheim"\n')
    monkeypatch.setenv("TEMPORAL_ADDRESS", "here:7233")
    assert connection().read_api_key() is None
    monkeypatch.setenv("TEMPORAL_PROFILE", "default")  # now the user wants both
    assert (connection().address, connection().read_api_key()) == ("here:7233", "geheim")


def test_a_running_stack_goes_before_a_profile_that_nobody_named(
    toml: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = Source(discovery.STACK, {"temporal.address": "127.0.0.1:1"})
    monkeypatch.setattr(discovery, "_stack", lambda: stack)
    assert of_daemon().address == "127.0.0.1:1"
    (home / "ntbridge.yaml").write_text("temporal: {profile: plain}\n")
    loaded, _ = discovery.load()
    assert loaded.settings.temporal.address == "plain:7233"
    assert loaded.origins["temporal.address"] == f"the profile plain of {toml}"
    assert loaded.origins["temporal.tls"] == f"the profile plain of {toml}"


def test_our_variables_go_before_the_usual_ones_and_these_before_files(
    toml: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "ntbridge.yaml").write_text(
        "temporal: {profile: cloud, address: 'file:1', tls_client_cert_path: cert.pem,"
        " tls_client_key_path: key.pem, tls_server_name: of-file}\n"
    )
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_DATA", "of-variable")
    monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", "usual.pem")
    monkeypatch.setenv("NTBRIDGE_TEMPORAL__TLS_SERVER_CA_CERT_DATA", "ours")
    loaded, _ = discovery.load()
    temporal = loaded.settings.temporal
    assert (temporal.address, temporal.namespace) == ("file:1", "ns.acct")
    assert (temporal.tls_client_cert_data, temporal.tls_client_cert_path) == (
        "of-variable",
        None,
    )
    assert temporal.tls_client_key_path == Path("key.pem")
    assert (temporal.tls_server_ca_cert_data, temporal.tls_server_ca_cert_path) == (
        "ours",
        None,
    )
    origins = {key.removeprefix("temporal."): origin for key, origin in loaded.origins.items()}
    assert origins["tls_server_ca_cert_data"].endswith(
        "NTBRIDGE_TEMPORAL__TLS_SERVER_CA_CERT_DATA"
    )
    assert origins["tls_server_name"] == "the file ntbridge.yaml"
    assert origins["api_key"] == origins["grpc_meta.x-tenant"] == f"the profile cloud of {toml}"
    assert "tls_server_ca_cert_path" not in origins


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"TEMPORAL_PROFILE": "cloud"}, "no file has Temporal's profile 'cloud'"),
        ({"TEMPORAL_CONFIG_FILE": "none.toml"}, "none.toml cannot be read: No such file"),
        (
            {"TEMPORAL_CONFIG_FILE": "own.toml", "TEMPORAL_PROFILE": "nope"},
            "own.toml: Profile 'nope' not found",
        ),
        ({"TEMPORAL_CONFIG_FILE": "bad.toml"}, "bad.toml: TOML parse error at line 1, column"),
        ({"TEMPORAL_TLS_DISABLE_HOST_VERIFICATION": "true"}, "is not supported"),
        (
            {"TEMPORAL_API_KEY": "geheim", "TEMPORAL_API_KEY_FILE": "key.pem"},
            "are both set",
        ),
        (
            {
                "TEMPORAL_TLS_CLIENT_CERT_PATH": "a",
                "TEMPORAL_TLS_CLIENT_CERT_DATA": "b",
                "TEMPORAL_TLS_CLIENT_KEY_DATA": "geheim",
            },
            "tls_client_cert_path and tls_client_cert_data are both set",
        ),
        (
            {"TEMPORAL_TLS_CLIENT_CERT_PATH": "cert.pem"},
            "tls_client_cert_path is set without tls_client_key_path",
        ),
        (
            {"TEMPORAL_TLS_CLIENT_KEY_DATA": "geheim"},
            "tls_client_key_path is set without tls_client_cert_path",
        ),
    ],
)
def test_a_wrong_configuration_is_named_and_not_quoted(
    environ: Mapping[str, str], reason: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "own.toml").write_text(TOML)
    (home / "bad.toml").write_text('api_key = "geheim" "geheim"')
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=reason) as of_bridge:
        discovery.load()
    with pytest.raises(InvalidSettingError, match=reason) as of_the_worker:
        WorkerSettings.read({"database_url": DSN})
    for refusal in (of_bridge, of_the_worker):
        assert "geheim" not in str(refusal.value)


def test_a_file_is_read_when_a_client_is_made(home: Path) -> None:
    key = home / "api.key"
    key.write_text("one\n")
    connection = load([from_environment({"TEMPORAL_API_KEY_FILE": str(key)})]).settings.temporal
    assert (connection.read_api_key(), connection.files) == ("one", (key,))
    key.write_text("two")
    assert connection.read_api_key() == "two"
    for content, reason in ((b"\n", "is empty"), (b"\xff", "is not UTF-8")):
        key.write_bytes(content)
        with pytest.raises(ConnectionFileError, match=f"api.key {reason}"):
            connection.read_api_key()
    ca = TemporalConnection(tls_server_ca_cert_path=home / "gone.pem")
    with pytest.raises(
        ConnectionFileError, match=r"tls_server_ca_cert_path: .*gone.pem cannot"
    ):
        ca.tls_config()


def test_no_secret_is_in_a_representation(toml: Path) -> None:
    given = from_profile(toml, "cloud")
    with pytest.raises(ProfileError):
        from_variables({"TEMPORAL_TLS_DISABLE_HOST_VERIFICATION": "1"})
    connection = TemporalConnection(
        api_key=given["api_key"].value,
        tls_client_cert_data="C",
        tls_client_key_data="geheim",
        grpc_meta={"authorization": "geheim"},
    )
    assert "geheim" not in repr(connection)
