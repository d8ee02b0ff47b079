"""Which adapters there are is a matter of settings alone."""

from typing import Any

import pytest

from workflows.adapters.local.checks import ContainedChecks, PlainChecks
from workflows.adapters.notifiers.result_events import ResultEventsOnly
from workflows.adapters.notifiers.webhook import WebhookNotifier
from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError
from workflows.modules.infra import checks_of, notifier_of

PREFIX = "NTBRIDGE_WORKER_"
SECRET = "whsec_bm9ib2R5IGtub3dz"


@pytest.fixture
def settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> WorkerSettings:
    given: dict[str, str] = request.param
    for name, value in given.items():
        monkeypatch.setenv(PREFIX + name, value)
    return WorkerSettings.read({"database_url": "postgresql://localhost/none"})


@pytest.mark.parametrize(
    ("settings", "notifier", "checks"),
    [
        ({}, ResultEventsOnly, ContainedChecks),
        ({"QINFRA__CONTAINMENT": "best-effort"}, ResultEventsOnly, ContainedChecks),
        ({"QINFRA__CONTAINMENT": "none"}, ResultEventsOnly, PlainChecks),
        (
            {"NOTIFIER__WEBHOOK": "https://example.com", "NOTIFIER__SECRET": SECRET},
            WebhookNotifier,
            ContainedChecks,
        ),
    ],
    indirect=["settings"],
)
def test_the_settings_choose(
    settings: WorkerSettings, notifier: type[Any], checks: type[Any]
) -> None:
    assert isinstance(notifier_of(settings.notifier), notifier)
    assert isinstance(checks_of(settings.qinfra), checks)


@pytest.mark.parametrize(
    "settings",
    [{"QINFRA__RULES": '{"approvers": {"prod*": ["ann"]}, "two_people": ["prod*"]}'}],
    indirect=True,
)
def test_rules_are_json(settings: WorkerSettings) -> None:
    rules = settings.qinfra.rules
    assert rules.approvers == {"prod*": ("ann",)}
    assert rules.two_people == ("prod*",)
    assert "production" in rules.high_environments, "what is not said stays as it is"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("NOTIFIER__WEBHOOK", "https://example.com", "needs a secret"),
        ("QINFRA__RULES", '{"aprovers": {}}', "Extra inputs"),
        ("QINFRA__PROVISIONER", "cloud", "must be local, tofu, or your own"),
    ],
)
def test_a_wrong_setting_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(InvalidSettingError, match=told):
        WorkerSettings.read({"database_url": "postgresql://localhost/none"})
