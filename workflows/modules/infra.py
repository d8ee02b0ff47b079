"""The builders of QInfra and QSRE: environments, releases of services, and their monitoring."""

from collections.abc import Callable

from workflows.activities.codehost import CodeHostActivities
from workflows.activities.deploy import DeployActivities
from workflows.activities.notifier import NotifierActivities
from workflows.activities.qinfra import QInfraActivities
from workflows.activities.qsre import QSREActivities
from workflows.adapters.containment import Containment, Limits
from workflows.adapters.local.checks import Checks, ContainedChecks, PlainChecks
from workflows.adapters.local.environments import LocalProvisioner
from workflows.adapters.local.releases import LocalDeployer
from workflows.adapters.notifiers.result_events import ResultEventsOnly
from workflows.adapters.notifiers.webhook import WebhookNotifier
from workflows.adapters.prometheus.monitor import PrometheusRules, RulesFolder
from workflows.adapters.services.keeper import ServiceKeeper
from workflows.adapters.services.runner import (
    NoRunner,
    ProcessRunner,
    Runner,
    RunnerSettings,
    this_machine,
)
from workflows.adapters.shared.artefacts import Artefacts
from workflows.adapters.shared.same_store import SameStore
from workflows.modules.chosen_adapters import code_host, tofu_provisioner
from workflows.modules.module import Module, Part, WorkerResources, adapter, worker_name
from workflows.pipelines.infra_provision import InfraProvisionWorkflow
from workflows.ports import Deployer, Monitor, Notifier, Provisioner
from workflows.settings import NotifierSettings, QInfraSettings


def build_qinfra(resources: WorkerResources) -> Module:
    """Return the infrastructure workflow and the activities that change environments."""
    infra = QInfraActivities(_provisioner(resources))
    deployer, keeping = _deployer(resources)
    deploy = DeployActivities(deployer)
    notifications = NotifierActivities(_notifier(resources))
    proposals = CodeHostActivities(code_host(resources))
    same_store = SameStore(resources.database, resources.objects, worker_name())
    return Module(
        workflows=(InfraProvisionWorkflow,),
        activities=(
            infra.plan,
            infra.provision,
            infra.roll_back,
            infra.destroy,
            deploy.deploy,
            deploy.roll_back,
            deploy.verify,
            notifications.notify,
            proposals.propose,
            proposals.status,
            proposals.withdraw,
        ),
        parts=(same_store, *keeping),
    )


def _provisioner(resources: WorkerResources) -> Provisioner:
    settings = resources.settings.qinfra
    builtin: dict[str, Callable[[], Provisioner]] = {
        "local": lambda: LocalProvisioner(
            resources.database, resources.objects, settings.rules, pause=settings.pause
        ),
        "tofu": lambda: tofu_provisioner(resources),
    }
    return adapter("qinfra.provisioner", settings.provisioner, builtin, resources)


def _deployer(resources: WorkerResources) -> tuple[Deployer, tuple[Part, ...]]:
    """Return the deployer, and what keeps its services running."""
    settings = resources.settings.qinfra
    if settings.deployer in {"local", "container"}:
        running = runner_settings(resources)
        runner = ProcessRunner(running)
        deployer = _releases(resources, runner)
        keeper = ServiceKeeper(resources.database, deployer, running.machine, running.host)
        return deployer, (runner, keeper)
    builtin = {"records": lambda: _releases(resources, NoRunner())}
    return adapter("qinfra.deployer", settings.deployer, builtin, resources), ()


def _releases(resources: WorkerResources, runner: Runner) -> LocalDeployer:
    artefacts = Artefacts(resources.objects)
    checks = checks_of(resources.settings.qinfra)
    return LocalDeployer(resources.database, artefacts, checks, runner)


def runner_settings(resources: WorkerResources) -> RunnerSettings:
    """Return how services run on this machine."""
    settings = resources.settings.qinfra
    return RunnerSettings(
        machine=settings.machine or this_machine(),
        host=settings.host,
        address=settings.address or settings.host,
        folder=resources.settings.state / "services",
        containment=settings.containment,
        health_seconds=settings.health_seconds,
        memory=settings.memory,
        outlives=settings.outlive,
        engine=settings.engine if settings.deployer == "container" else (),
        image=settings.image,
    )


def _notifier(resources: WorkerResources) -> Notifier:
    settings = resources.settings.notifier
    builtin = {"webhook": lambda: notifier_of(settings)}
    return adapter("notifier.adapter", settings.adapter, builtin, resources)


def checks_of(settings: QInfraSettings) -> Checks:
    """Return the runner of smoke checks that the settings ask for."""
    seconds = settings.check_seconds
    if settings.containment == "none":
        return PlainChecks(seconds=seconds)
    return ContainedChecks(
        Containment(
            limits=Limits(seconds=seconds, cpu=seconds + 1),
            required=settings.containment == "required",
            setting="NTBRIDGE_WORKER_QINFRA__CONTAINMENT",
        )
    )


def notifier_of(settings: NotifierSettings) -> Notifier:
    """Return the webhook notifier, or result events alone when no webhook is set."""
    if settings.webhook is None or settings.secret is None:
        return ResultEventsOnly()
    return WebhookNotifier(settings.webhook, settings.secret, seconds=settings.seconds)


def build_qsre(resources: WorkerResources) -> Module:
    """Return the monitoring activities."""
    settings = resources.settings.qsre
    place = settings.folder or resources.settings.state / "monitoring"
    folder = RulesFolder(resources.database, place, settings.reload)
    builtin: dict[str, Callable[[], Monitor]] = {
        "prometheus": lambda: PrometheusRules(
            resources.database, folder, down_after=settings.down_after
        )
    }
    qsre = QSREActivities(adapter("qsre.monitor", settings.monitor, builtin, resources))
    return Module(
        workflows=(),
        activities=(qsre.set_up_monitoring, qsre.remove_monitoring),
        parts=(folder,) if settings.monitor == "prometheus" else (),
    )
