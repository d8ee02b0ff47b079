"""Creates the adapters that need more settings, programs or packages than the default ones."""

from workflows.adapters.git.code_host import GitCodeHost, NoCodeHost
from workflows.adapters.git.merge_requests import MergeRequests
from workflows.adapters.git.repository import Identity
from workflows.adapters.tofu.program import Program
from workflows.adapters.tofu.provider import TofuProvisioner, postgres_backend
from workflows.errors import InvalidSettingError
from workflows.modules.module import WorkerResources, adapter
from workflows.ports import CodeHost, Provisioner, Scanner
from workflows.settings import QSecureSettings


def dependencies_scanner(settings: QSecureSettings) -> Scanner:
    """Return the scanner of dependencies."""
    from workflows.adapters.security.dependencies import (  # noqa: PLC0415 - the packages are optional
        DependenciesScanner,
    )

    if settings.advisories is None:  # the settings refuse that
        raise InvalidSettingError("qsecure.advisories is not set")
    return DependenciesScanner(settings.advisories.absolute())


def tofu_provisioner(resources: WorkerResources) -> Provisioner:
    """Return the provisioner by OpenTofu or Terraform.

    Raises:
        InvalidSettingError: ``tofu.kinds`` is not set.
    """
    settings = resources.settings.tofu
    if settings.kinds is None:
        raise InvalidSettingError(
            "the provisioner 'tofu' needs NTBRIDGE_WORKER_TOFU__KINDS: a folder with a module for "
            "each kind of resource"
        )
    state = settings.state or resources.settings.database_url
    backend, secrets = postgres_backend(state.get_secret_value())
    program = Program(
        settings.kinds.absolute(),
        backend=backend,
        secrets=secrets,
        name=settings.program,
        passed=settings.passed,
        seconds=settings.seconds,
    )
    rules = resources.settings.qinfra.rules
    return TofuProvisioner(resources.database, resources.objects, program, rules)


def code_host(resources: WorkerResources) -> CodeHost:
    """Return the code host of the settings; without a repository, it refuses."""
    settings = resources.settings.codehost
    return adapter(
        "codehost.adapter", settings.adapter, {"git": lambda: _git(resources)}, resources
    )


def _git(resources: WorkerResources) -> CodeHost:
    settings = resources.settings.codehost
    if settings.repository is None:
        return NoCodeHost("NTBRIDGE_WORKER_CODEHOST__REPOSITORY is not set")
    requests: MergeRequests | None = None
    if settings.merge_requests is not None:
        requests = adapter("codehost.merge_requests", settings.merge_requests, {}, resources)
    return GitCodeHost(
        settings.repository,
        target=settings.target,
        folder=settings.folder,
        by=Identity(settings.name, settings.email),
        seconds=settings.seconds,
        merge_requests=requests,
    )
