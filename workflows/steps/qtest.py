"""QTest's steps: a test suite for code, and its execution in containment."""

from workflows.messages.suites import GeneratedSuite, SuiteReport, SuiteRequest, SuiteRun
from workflows.messages.undoing import Cleaned, CleanupRequest
from workflows.platform.policies import COMPENSATION, SAGA
from workflows.platform.step import Step

MODULE = "qtest"

generate_tests = Step(
    module=MODULE,
    name="qtest.generate_tests",
    takes=SuiteRequest,
    gives=GeneratedSuite,
    policy=SAGA,
    summary="generate the tests",
)
execute_tests = Step(
    module=MODULE,
    name="qtest.execute_tests",
    takes=SuiteRun,
    gives=SuiteReport,
    policy=SAGA,
    summary="execute the tests in containment",
)
cleanup_tests = Step(
    module=MODULE,
    name="qtest.cleanup_tests",
    takes=CleanupRequest,
    gives=Cleaned,
    policy=COMPENSATION,
    summary="remove what this run's tests left behind",
)
