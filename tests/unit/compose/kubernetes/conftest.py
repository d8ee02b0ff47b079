"""The overlays, rendered."""

import os

import pytest

from bridge.devstack.environment import foreign_settings
from bridge.errors import StackError
from tests.support.kubernetes.manifests import OVERLAYS, Document, rendered


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def documents(overlay: str) -> tuple[Document, ...]:
    try:
        return rendered(overlay)
    except StackError as error:
        pytest.skip(f"{error} (make .venv/dev.stamp)")


@pytest.fixture
def dev() -> tuple[Document, ...]:
    try:
        return rendered("dev")
    except StackError as error:
        pytest.skip(f"{error} (make .venv/dev.stamp)")


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in foreign_settings(list(os.environ)):
        monkeypatch.delenv(name)
