"""The scenarios of the pipelines whose worker is killed: a sample, and the whole matrix."""

from collections.abc import Sequence
from dataclasses import replace

from tests.support.pipelines import Scenario
from tests.support.scenarios import COMPLETE_CODE, DEVSECOPS, LIGHT
from tests.support.scripted_worker import Act


def killed(scenario: Scenario, activity: str, hangs: str) -> Scenario:
    """The same scenario, whose worker is killed in an activity, before or after its work."""
    act = replace(scenario.acts.get(activity, Act()), hangs=hangs)
    return replace(
        scenario,
        name=f"{scenario.name}-{activity.replace('_', '-')}-{hangs}",
        acts={**scenario.acts, activity: act},
    )


def _named(scenarios: Sequence[Scenario], name: str) -> Scenario:
    return next(scenario for scenario in scenarios if scenario.name == name)


LIGHTLY_DONE = replace(_named(DEVSECOPS, "completed"), name="killed", acts=LIGHT)
LIGHTLY_COMPLETE = replace(
    _named(COMPLETE_CODE, "complete"), name="killed-complete", acts=LIGHT
)
UNWATCHING = replace(_named(DEVSECOPS, "withdrawn-when-watched"), name="killed-unwatching")
UNDOING = replace(_named(DEVSECOPS, "deploy-fails"), name="killed-undoing")

KILLED: Sequence[Scenario] = (
    killed(LIGHTLY_DONE, "qagent.generate_code", "after"),
    killed(LIGHTLY_DONE, "qinfra.provision", "after"),
    killed(LIGHTLY_DONE, "qinfra.deploy", "before"),
    killed(LIGHTLY_DONE, "qsre.set_up_monitoring", "after"),
    killed(UNDOING, "qinfra.roll_back", "after"),
)
"""A sample of the matrix, for every day."""

_OF_DEVSECOPS = (
    "qagent.parse_prompt",
    "qagent.search_patterns",
    "qagent.generate_code",
    "qagent.check_code",
    "qagent.test_code",
    "qagent.fingerprint",
    "qtest.generate_tests",
    "qsecure.scan",
    "qagent.learn_pattern",
    "qinfra.plan",
    "qinfra.provision",
    "qinfra.deploy",
    "qsre.set_up_monitoring",
    "qagent.seal",
)
_OF_COMPLETE_CODE = ("qtest.execute_tests", "qinfra.deploy", "qinfra.verify_deployment")
_OF_UNDOING = (
    "qagent.cleanup_code",
    "qtest.cleanup_tests",
    "qinfra.roll_back",
    "qinfra.roll_back_deployment",
)

KILL_MATRIX: Sequence[Scenario] = tuple(
    killed(scenario, activity, hangs)
    for scenario, activities in (
        (replace(LIGHTLY_DONE, acts={}), _OF_DEVSECOPS),
        (replace(LIGHTLY_COMPLETE, acts={}), _OF_COMPLETE_CODE),
        (UNDOING, _OF_UNDOING),
        (UNWATCHING, ("qsre.remove_monitoring",)),
    )
    for activity in activities
    for hangs in ("before", "after")
)
"""Every activity, before and after its work."""
