"""The module QInfra: environments, deployments in them, and telling people about them."""

from workflows.activities.deploy import DeployActivities
from workflows.activities.notifier import NotifierActivities
from workflows.activities.qinfra import QInfraActivities
from workflows.adapters.containment import Containment, Limits
from workflows.adapters.local.checks import Checks, ContainedChecks, PlainChecks
from workflows.adapters.local.environments import LocalProvisioner
from workflows.adapters.local.releases import LocalDeployer
from workflows.adapters.notifiers.result_events import ResultEventsOnly
from workflows.adapters.notifiers.webhook import WebhookNotifier
from workflows.modules.module import Means, Module, adapter
from workflows.pipelines.infra_provision import InfraProvisionWorkflow
from workflows.ports import Deployer, Notifier, Provisioner
from workflows.settings import NotifierSettings, QInfraSettings


def build(means: Means) -> Module:
    """Return the infrastructure workflow and the activities that change environments."""
    infra = QInfraActivities(_provisioner(means))
    deploy = DeployActivities(_deployer(means))
    telling = NotifierActivities(_notifier(means))
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
            telling.notify,
        ),
    )


def _provisioner(means: Means) -> Provisioner:
    folder, settings = means.settings.state / "environments", means.settings.qinfra
    ours = {"local": lambda: LocalProvisioner(folder, settings.rules, pause=settings.pause)}
    return adapter("qinfra.provisioner", settings.provisioner, ours, means)


def _deployer(means: Means) -> Deployer:
    folder, settings = means.settings.state / "deployments", means.settings.qinfra
    ours = {"local": lambda: LocalDeployer(folder, checks_of(settings))}
    return adapter("qinfra.deployer", settings.deployer, ours, means)


def _notifier(means: Means) -> Notifier:
    settings = means.settings.notifier
    ours = {"webhook": lambda: notifier_of(settings)}
    return adapter("notifier.adapter", settings.adapter, ours, means)


def checks_of(settings: QInfraSettings) -> Checks:
    """Return what runs smoke checks."""
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
    """Return what tells people."""
    if settings.webhook is None or settings.secret is None:
        return ResultEventsOnly()
    return WebhookNotifier(settings.webhook, settings.secret, seconds=settings.seconds)
