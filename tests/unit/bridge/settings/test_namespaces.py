"""The namespaces that routes can name, and the connection of each."""

from pathlib import Path

import pytest

from bridge.errors import SettingsError
from bridge.settings.schema import NamespacesSettings
from bridge.settings.sources import from_environment, from_file, load

SECRET = "s3cret"


def temporal(tmp_path: Path, text: str, **variables: str) -> NamespacesSettings:
    path = tmp_path / "settings.yaml"
    path.write_text(f"temporal: {text}")
    return load([from_environment(variables), from_file(path)]).settings.temporal


def test_an_entry_inherits_what_it_leaves_out(tmp_path: Path) -> None:
    found = temporal(
        tmp_path,
        "{address: one:7233, namespace: main, api_key: key, call_timeout: 3s, namespaces: {"
        "ops: {}, empty: , billing: {address: two:7233, namespace: billing.acct, api_key: theirs}}}",
    )
    assert list(found.each) == ["", "ops", "empty", "billing"]
    assert found.names == ("main", "ops", "empty", "billing")
    shown = [(each.address, each.namespace, each.api_key) for each in found.each.values()]
    assert shown == [
        ("one:7233", "main", "key"),
        ("one:7233", "ops", "key"),
        ("one:7233", "empty", "key"),
        ("two:7233", "billing.acct", "theirs"),
    ]
    assert {each.call_timeout for each in found.each.values()} == {3.0}


def test_what_an_entry_sets_in_another_way_is_not_inherited(tmp_path: Path) -> None:
    text = "{api_key: key, namespaces: {ops: {api_key_file: /run/key}, bare: {api_key: }}}"
    ops, bare = temporal(tmp_path, text).namespaces.values()
    assert (ops.api_key, str(ops.api_key_file)) == (None, "/run/key")
    assert (bare.api_key, bare.is_encrypted) == (None, False)


def test_credentials_are_not_sent_to_another_server(tmp_path: Path) -> None:
    parent = (
        "api_key: key, tls_server_name: one, grpc_meta: {a: b}, tls_server_ca_cert_path: /ca"
    )
    text = f"{{address: one:7233, {parent}, namespaces: {{ops: {{address: two:7233}}}}}}"
    ops = temporal(tmp_path, text).namespaces["ops"]
    assert (ops.api_key, ops.tls_server_name, ops.grpc_meta) == (None, None, {})
    assert (str(ops.tls_server_ca_cert_path), ops.is_encrypted) == ("/ca", True)


def test_variables_set_parts_of_an_entry(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(SECRET)
    variables = {
        "NTBRIDGE_TEMPORAL__NAMESPACES__OPS__ADDRESS": "three:7233",
        "NTBRIDGE_TEMPORAL__NAMESPACES__OPS__API_KEY_FILE": str(key),
    }
    found = temporal(tmp_path, "{namespaces: {ops: {address: two:7233}}}", **variables)
    ops = found.namespaces["ops"]
    assert (ops.address, ops.read_api_key()) == ("three:7233", SECRET)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{namespaces: {Ops: {}}}", "should match pattern"),
        (
            "{namespaces: {ops: {adress: x}}}",
            r"temporal\.namespaces\.ops\.adress .*unknown setting",
        ),
        ("{namespaces: {default: {address: 'x:1'}}}", "has the name of the default namespace"),
        ("{namespaces: {ops: {namespace: default}}}", "are the same namespace 'default'"),
        (
            "{namespaces: {a: {namespace: x}, b: {namespace: x}}}",
            "namespaces.a and namespaces.b",
        ),
        ("{namespaces: {ops: {profile: x}}}", "cannot have a profile of their own"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        temporal(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        f"{{namespaces: {{ops: {{tls: false, address: 'far.example:1', api_key: {SECRET}}}}}}}",
        f"{{namespaces: {{ops: {{api_key: [{SECRET}]}}}}}}",
        f"{{namespaces: {{ops: {SECRET}}}}}",
        f"{{namespaces: [{SECRET}]}}",
    ],
)
def test_no_message_quotes_a_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        temporal(tmp_path, text)
    assert SECRET not in str(refusal.value)
