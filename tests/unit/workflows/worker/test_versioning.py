"""A worker's version, from its settings."""

import pytest
from temporalio.common import VersioningBehavior

from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError
from workflows.worker.versioning import deployment_config, version_of

DATABASE = "postgresql://ntbridge@127.0.0.1/ntbridge"


def settings(**flags: str | None) -> WorkerSettings:
    return WorkerSettings.read({"database_url": DATABASE, **flags})


def test_without_a_build_id_a_worker_is_unversioned() -> None:
    assert version_of(settings()) is None
    assert deployment_config(settings()) is None


def test_with_one_its_runs_are_pinned_to_the_version() -> None:
    config = deployment_config(settings(build_id="2026.11.2"))
    assert config is not None
    assert config.use_worker_versioning
    assert config.version.to_canonical_string() == "ntbridge.2026.11.2"
    assert config.default_versioning_behavior == VersioningBehavior.PINNED


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"make_current": "true"}, "--make-current (flag).*needs a build id"),
        ({"build_id": "with blanks"}, "--build-id"),
        ({"build_id": "1", "deployment": "a.b"}, "--deployment"),
    ],
)
def test_a_version_that_cannot_be_is_told(flags: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidSettingError, match=says.replace("(", r"\(").replace(")", r"\)")):
        settings(**flags)
