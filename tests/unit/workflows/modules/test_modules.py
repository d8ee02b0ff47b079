"""Which adapters do the work is decided by settings, and by nothing else."""

# ruff: noqa: SLF001 - what a port was given is seen inside of it only

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest

from eventstore.database import Database
from eventstore.store import EventStore
from workflows.adapters.suites.generator import CheckedSuites
from workflows.adapters.suites.judge import SuiteJudge
from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError
from workflows.messages.code_generation import GenerationRules
from workflows.modules import MODULES
from workflows.modules.module import WorkerResources


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NTBRIDGE_WORKER_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/db")


def ports_of(module: str) -> dict[str, Any]:
    """What the module's activities were given, by the ports' names."""
    resources = WorkerResources(
        settings=WorkerSettings.read({}),
        database=cast("Database", None),
        store=cast("EventStore", None),
    )
    activities = MODULES[module](resources).activities
    return {
        name.removeprefix("_"): _unwrapped(port)
        for activity in activities
        for name, port in vars(cast("Any", activity).__self__).items()
    }


def _unwrapped(port: Any) -> Any:
    """What generates or runs tests, without those who judge it."""
    match port:
        case CheckedSuites():
            return port._generator
        case SuiteJudge():
            return port._runner
        case _:
            return port


def named(port: object) -> str:
    return type(port).__name__


@pytest.mark.parametrize(
    ("setting", "value", "module", "port", "default", "chosen"),
    [
        ("QAGENT__GATEWAY", "openai", "qagent", "gateway", "RecipeGateway", "OpenAIGateway"),
        ("QAGENT__PATTERNS", "none", "qagent", "patterns", "PostgresPatterns", "NoPatterns"),
        ("QAGENT__QLAFS", "sha256", "qagent", "qlafs", "SignedQlafs", "Sha256Qlafs"),
        (
            "QTEST__GENERATOR",
            "openai",
            "qtest",
            "generator",
            "GhostwriterSuites",
            "OpenAISuites",
        ),
    ],
)
def test_an_adapter_is_swapped(
    setting: str,
    value: str,
    module: str,
    port: str,
    default: str,
    chosen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert named(ports_of(module)[port]) == default
    monkeypatch.setenv(f"NTBRIDGE_WORKER_{setting}", value)
    assert named(ports_of(module)[port]) == chosen


def test_what_an_adapter_stands_on_is_swapped(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = ports_of("qagent")["patterns"]
    assert named(patterns._embeddings) == "LexicalEmbeddings"
    assert [named(scanner) for scanner in ports_of("qsecure")["scanner"]._scanners] == [
        "BanditScanner",
        "SecretsScanner",
    ]
    containment = ports_of("qtest")["runner"]._containment
    assert containment.required

    monkeypatch.setenv("NTBRIDGE_WORKER_QAGENT__EMBEDDINGS", "openai")
    monkeypatch.setenv("NTBRIDGE_WORKER_OPENAI__EMBEDDING_MODEL", "small")
    monkeypatch.setenv("NTBRIDGE_WORKER_QSECURE__SCANNERS", '["secrets"]')
    monkeypatch.setenv("NTBRIDGE_WORKER_QTEST__CONTAINMENT", "best-effort")
    monkeypatch.setenv("NTBRIDGE_WORKER_QTEST__MEMORY", "512MiB")
    assert ports_of("qagent")["patterns"]._embeddings.name == "openai/small"
    assert [named(scanner) for scanner in ports_of("qsecure")["scanner"]._scanners] == [
        "SecretsScanner"
    ]
    containment = ports_of("qtest")["runner"]._containment
    assert not containment.required
    assert containment.limits.memory == 512 * 2**20


class Own:
    """A team's own adapter, for whichever port."""

    def __init__(self, resources: WorkerResources) -> None:
        self.resources = resources


@pytest.mark.parametrize(
    ("setting", "module", "port"),
    [
        ("QAGENT__GATEWAY", "qagent", "gateway"),
        ("QAGENT__PATTERNS", "qagent", "patterns"),
        ("QAGENT__CHECKER", "qagent", "checker"),
        ("QAGENT__QLAFS", "qagent", "qlafs"),
        ("QTEST__GENERATOR", "qtest", "generator"),
        ("QTEST__RUNNER", "qtest", "runner"),
        ("QINFRA__PROVISIONER", "qinfra", "provisioner"),
        ("QINFRA__DEPLOYER", "qinfra", "deployer"),
        ("NOTIFIER__ADAPTER", "qinfra", "notifier"),
        ("QSRE__MONITOR", "qsre", "monitor"),
    ],
)
def test_every_adapter_is_swapped_for_a_teams_own(
    setting: str, module: str, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"NTBRIDGE_WORKER_{setting}", f"{__name__}:Own")
    own = ports_of(module)[port]
    assert isinstance(own, Own)
    assert own.resources.settings.state.name == "state"


def test_scanners_of_a_team_stand_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "NTBRIDGE_WORKER_QSECURE__SCANNERS", json.dumps(["secrets", f"{__name__}:Own"])
    )
    scanners = ports_of("qsecure")["scanner"]._scanners
    assert [named(scanner) for scanner in scanners] == ["SecretsScanner", "Own"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            "nowhere.at_all:make",
            "qsre.monitor: nowhere.at_all:make cannot be imported: No module",
        ),
        (f"{__name__}:nothing", "has no attribute 'nothing'"),
        (f"{__name__}:__doc__", "__doc__ is not a function"),
    ],
)
def test_a_factory_that_is_not_there_is_told(
    value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NTBRIDGE_WORKER_QSRE__MONITOR", value)
    with pytest.raises(InvalidSettingError, match=re.escape(told)):
        ports_of("qsre")


def test_the_key_is_made_in_the_state_folder_or_is_the_one_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = ports_of("qagent")["qlafs"]._key
    assert ports_of("qagent")["qlafs"]._key.public_key() == made.public_key()
    key = tmp_path / "state" / "qlafs.key"
    assert key.exists()
    monkeypatch.setenv("NTBRIDGE_WORKER_QAGENT__KEY", str(key))
    assert ports_of("qagent")["qlafs"]._key.public_key() == made.public_key()
    monkeypatch.setenv("NTBRIDGE_WORKER_QAGENT__KEY", str(tmp_path / "nowhere.key"))
    with pytest.raises(InvalidSettingError, match="does not exist"):
        ports_of("qagent")


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("QTEST__SECONDS", "soon", "NTBRIDGE_WORKER_QTEST__SECONDS (environment): "),
        ("QTEST__SECONDZ", "5", "NTBRIDGE_WORKER_QTEST__SECONDZ (environment): "),
        (
            "QTSET__SECONDS",
            "5",
            "NTBRIDGE_WORKER_QTSET__SECONDS (environment): unknown setting",
        ),
        (
            "QAGENT__GATEWAY",
            "oracle",
            "NTBRIDGE_WORKER_QAGENT__GATEWAY (environment): must be recipes, openai, or your own",
        ),
    ],
)
def test_a_wrong_setting_of_a_module_is_told(
    setting: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"NTBRIDGE_WORKER_{setting}", value)
    with pytest.raises(InvalidSettingError) as raised:
        WorkerSettings.read({})
    assert told in str(raised.value)


def test_a_language_model_has_rounds_and_writes_tests_and_recipes_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offline = ports_of("qagent")
    assert offline["rules"] == GenerationRules(rounds=1, needs_fingerprint=True)
    assert offline["suites"] is None
    monkeypatch.setenv("NTBRIDGE_WORKER_QAGENT__GATEWAY", "openai")
    monkeypatch.setenv("NTBRIDGE_WORKER_QAGENT__FINGERPRINT", "optional")
    modelled = ports_of("qagent")
    assert modelled["rules"] == GenerationRules(rounds=3, writes_tests=True)
    assert named(modelled["suites"]) == "OpenAISuites"
    monkeypatch.setenv("NTBRIDGE_WORKER_QAGENT__TESTS", "false")
    monkeypatch.setenv("NTBRIDGE_WORKER_QAGENT__ROUNDS", "5")
    untested = ports_of("qagent")
    assert (untested["rules"].rounds, untested["rules"].writes_tests) == (5, False)
    assert untested["suites"] is None


def test_every_suite_is_judged() -> None:
    resources = WorkerResources(
        settings=WorkerSettings.read({}),
        database=cast("Database", None),
        store=cast("EventStore", None),
    )
    qtest = cast("Any", MODULES["qtest"](resources).activities[0]).__self__
    assert named(qtest._generator) == "CheckedSuites"
    assert named(qtest._runner) == "SuiteJudge"
    assert named(ports_of("qagent")["tester"]._runner) == "SuiteJudge"
