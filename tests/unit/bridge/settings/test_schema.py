"""Where settings come from, which one wins, and what is said about a wrong one."""

from pathlib import Path
from typing import Any

import pytest

from bridge.errors import SettingsError
from bridge.settings.schema import NatsSettings
from bridge.settings.sources import (
    WELL_KNOWN,
    Source,
    from_environment,
    from_file,
    from_flags,
    load,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def file(folder: Path, text: str) -> Source:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return from_file(path)


def fault(*sources: Source) -> str:
    with pytest.raises(SettingsError) as refusal:
        load(sources)
    return str(refusal.value)


def test_flags_go_before_environment_file_and_stack(folder: Path) -> None:
    loaded = load(
        [
            from_flags({"nats.url": "nats://flag:1", "nats.prefix": None}),
            from_environment({"NATS_URL": "nats://env:1", "TEMPORAL_ADDRESS": "env:1"}),
            file(
                folder,
                "nats: {url: nats://file:1, prefix: file}\ntemporal: {address: file:1}\n"
                "database: {url: postgresql://file/x}\n",
            ),
            Source("the stack", {"nats.url": "x", "temporal.address": "x", "nats.prefix": "s"}),
        ],
    )
    assert loaded.settings.nats.url == "nats://flag:1"
    assert loaded.settings.temporal.address == "env:1"
    assert loaded.settings.nats.prefix == "file"
    assert loaded.settings.database.url == "postgresql://file/x"
    assert loaded.settings.dispatch.in_flight == 8
    assert loaded.origins == {
        "nats.url": "the flag --nats-url",
        "temporal.address": "the environment variable TEMPORAL_ADDRESS",
        "nats.prefix": f"the file {folder / 'settings.yaml'}",
        "database.url": f"the file {folder / 'settings.yaml'}",
    }


def test_the_stack_goes_before_the_defaults_only() -> None:
    stack = Source("the stack", {"nats.url": "nats://stack:1"})
    assert load([stack]).settings.nats.url == "nats://stack:1"
    assert load([from_environment({"NATS_URL": "nats://env:1"}), stack]).settings.nats.url == (
        "nats://env:1"
    )


def test_our_own_variables_go_before_the_well_known_ones() -> None:
    environ = {"NTBRIDGE_NATS__URL": "nats://ours:1", "NATS_URL": "nats://theirs:1"}
    loaded = load([from_environment(environ)])
    assert loaded.settings.nats.url == "nats://ours:1"
    assert loaded.origins["nats.url"] == "the environment variable NTBRIDGE_NATS__URL"


@pytest.mark.parametrize(("name", "key"), WELL_KNOWN.items())
def test_well_known_variables_are_read_and_empty_ones_are_not(name: str, key: str) -> None:
    assert from_environment({name: "x"}).values == {key: "x"}
    assert from_environment({name: ""}).values == {}


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("NTBRIDGE_ROUTES", "r.yaml", "routes", Path("r.yaml")),
        ("NTBRIDGE_DISPATCH__IN_FLIGHT", "3", "dispatch.in_flight", 3),
        ("NTBRIDGE_TEMPORAL__TLS", "true", "temporal.tls", True),
        ("NTBRIDGE_TEMPORAL__CALL_TIMEOUT", "1.5", "temporal.call_timeout", 1.5),
    ],
)
def test_variables_are_read_as_what_the_setting_is(
    name: str, text: str, key: str, value: Any
) -> None:
    found: Any = load([from_environment({name: text})]).settings
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value


def test_other_variables_and_the_one_that_names_the_file_are_no_settings() -> None:
    assert (
        from_environment({"NTBRIDGE_CONFIG": "x", "NTBRIDGES": "x", "HOME": "/"}).values == {}
    )


def test_an_unknown_variable_is_named_nested_ones_too() -> None:
    assert fault(from_environment({"NTBRIDGE_NATS__URLL": "x"})) == (
        "nats.urll (from the environment variable NTBRIDGE_NATS__URLL): unknown setting"
    )
    assert "bogus (from the environment variable NTBRIDGE_BOGUS)" in fault(
        from_environment({"NTBRIDGE_BOGUS": "x"})
    )
    assert "nats.url.x (from the environment variable NTBRIDGE_NATS__URL__X)" in fault(
        from_environment({"NTBRIDGE_NATS__URL": "x", "NTBRIDGE_NATS__URL__X": "y"})
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("natz: {url: x}", "natz (from"),
        ("nats: {urls: x}", "nats.urls (from"),
        ("intake: {batch: 1, btach: 2}", "intake.btach (from"),
        ("log: {level: {of: x}}", "log.level (from"),
        ("nats: nats://x", "nats (from"),
        ("1: 2", "1 (from"),
    ],
)
def test_a_typo_in_the_file_is_named_inside_sections_too(
    folder: Path, text: str, named: str
) -> None:
    message = fault(file(folder, text))
    assert named in message
    assert "settings.yaml)" in message


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("NTBRIDGE_DISPATCH__IN_FLIGHT", "lots", "dispatch.in_flight"),
        ("NTBRIDGE_DISPATCH__IN_FLIGHT", "0", "dispatch.in_flight"),
        ("NTBRIDGE_LOG__LEVEL", "loud", "log.level"),
        ("NTBRIDGE_TEMPORAL__TLS", "perhaps", "temporal.tls"),
        ("NTBRIDGE_TEMPORAL__CALL_TIMEOUT", "-1", "temporal.call_timeout"),
        ("TEMPORAL_ADDRESS", "http://temporal", "temporal.address"),
        ("NTBRIDGE_NATS__PREFIX", "a.b", "nats.prefix"),
    ],
)
def test_a_wrong_value_is_shown_with_key_and_origin(
    variable: str, value: str, named: str
) -> None:
    message = fault(from_environment({variable: value}))
    assert message.startswith(f"{named} (from the environment variable {variable}): ")
    assert message.endswith(f"not {value!r}")


def test_a_wrong_flag_is_named_as_it_is_written() -> None:
    assert "(from the flag --temporal-address)" in fault(from_flags({"temporal.address": "x"}))


def test_all_faults_are_told_at_once() -> None:
    message = fault(from_environment({"NTBRIDGE_X": "1", "NTBRIDGE_LOG__LEVEL": "loud"}))
    assert "NTBRIDGE_X" in message
    assert "NTBRIDGE_LOG__LEVEL" in message


def test_without_a_file_there_is_nothing_in_it(folder: Path) -> None:
    assert from_file(None).values == {}
    (folder / "ntbridge.yaml").write_text("log: {level: debug}", encoding="utf-8")
    assert from_file(None).values == {"log.level": "debug"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "nats:\n", "nats: {}\ndatabase:\n"])
def test_empty_files_and_sections_set_nothing(folder: Path, text: str) -> None:
    stack = Source("the stack", {"nats.url": "nats://stack:1"})
    assert load([file(folder, text), stack]).settings.nats.url == "nats://stack:1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- a", "must be a mapping"),
        ("hello", "must be a mapping"),
        ("nats: [", "line 1, column 8"),
        ("? [a]\n: b", "line 1, column 3"),
        ("[" * 1_000, "nested too deep"),
        (
            "nats: {prefix: a}\nnats: {prefix: b}",
            "line 2, column 1: the key 'nats' is given twice",
        ),
        ("nats: {prefix: a, prefix: b}", "'prefix' is given twice"),
        ("nats: {prefix: a}\nnats.prefix: b", "gives nats.prefix twice"),
        ("log: &x {level: info}\nhttp: {<<: *x}", "merge keys"),
        ("a: \x01", "is not YAML"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(folder: Path, text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=r"settings\.yaml") as refusal:
        file(folder, text)
    assert reason in str(refusal.value)


def test_a_missing_file_and_a_wrong_encoding_are_named(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.yaml cannot be read: .*No such file"):
        from_file(folder / "gone.yaml")
    (folder / "latin.yaml").write_bytes(b"\xe9")
    with pytest.raises(SettingsError, match=r"latin\.yaml cannot be read"):
        from_file(folder / "latin.yaml")


def test_a_section_and_a_value_of_one_name_exclude_each_other(folder: Path) -> None:
    stack = Source("the stack", {"nats.url": "nats://stack:1"})
    message = fault(file(folder, "nats: nats://x"), stack)
    assert (
        message == f"nats (from the file {folder / 'settings.yaml'}): is a section, not a value"
    )


def test_a_prefix_parts_the_streams_and_subjects_of_several_bridges() -> None:
    ours = NatsSettings(prefix="blue")
    assert ours.stream("EVENTS") == "blue-EVENTS"
    assert ours.subject("events.a.b") == "blue.events.a.b"
    assert ours.topic("blue.events.a.b") == "events.a.b"
    assert ours.topic("blueish.events") == "blueish.events"
    plain = NatsSettings()
    assert (plain.stream("EVENTS"), plain.subject("a"), plain.topic("a")) == (
        "EVENTS",
        "a",
        "a",
    )


def test_servers_are_parted_by_commas() -> None:
    assert NatsSettings(url="nats://a:1, nats://b:2").servers == ["nats://a:1", "nats://b:2"]


def test_settings_are_texts_where_yaml_1_1_has_other_things(folder: Path) -> None:
    named = (
        "nats: {prefix: NO}\ntemporal: {namespace: 12:30:45}\nemit: {task_queue: 2026-01-31}"
    )
    settings = load([file(folder, named)]).settings
    assert settings.nats.prefix == "NO"
    assert settings.temporal.namespace == "12:30:45"
    assert settings.emit.task_queue == "2026-01-31"


@pytest.mark.parametrize("value", ["010", "1.10", "true", "1e3", "0x1F"])
def test_a_number_is_no_text_in_settings_either(folder: Path, value: str) -> None:
    with pytest.raises(SettingsError, match=r"temporal\.namespace .*string"):
        load([file(folder, f"temporal: {{namespace: {value}}}")])


def test_a_list_in_a_variable_is_read_alike() -> None:
    name = "NTBRIDGE_INTAKE__SOURCES"
    (source,) = load([from_environment({name: "[{stream: NO}]"})]).settings.intake.sources
    assert source.stream == "NO"
    for wrong in ("[{stream: A, stream: B}]", "[{stream: A"):
        with pytest.raises(SettingsError, match=name):
            from_environment({name: wrong})
