"""Tests of code are those of its author, or generated ones, if they are good enough."""

import pytest

from workflows.adapters.suites.generator import CheckedSuites
from workflows.errors import CoverageTooLowError, SuiteNotWrittenError
from workflows.messages.suites import CoveragePolicy, GeneratedSuite, SuiteRequest

CODE = "def halve(n: int) -> float:\n    half = n / 2\n    return half\n"
TESTS = "from generated import halve\n\ndef test_it():\n    assert halve(4) == 2\n"


class Writes:
    def __init__(self, tests: str) -> None:
        self._tests = tests

    async def generate(self, request: SuiteRequest) -> GeneratedSuite:
        return GeneratedSuite(code=self._tests, language=request.language, generator="g/1")


async def test_the_authors_tests_come_first_and_their_coverage_is_estimated() -> None:
    suites = CheckedSuites(Writes("assert no"))
    suite = await suites.generate(SuiteRequest(code=CODE, tests=TESTS, author="a/1"))
    assert (suite.code, suite.generator) == (TESTS, "a/1")
    assert suite.estimated_coverage == 1


@pytest.mark.parametrize("author", ["a/1", None])
async def test_a_suite_without_an_assertion_is_refused_whoever_wrote_it(
    author: str | None,
) -> None:
    idle = TESTS.replace("assert ", "")
    request = SuiteRequest(code=CODE, tests=idle if author else None, author=author)
    with pytest.raises(SuiteNotWrittenError, match=f"{author or 'g/1'} assert no result"):
        await CheckedSuites(Writes(idle)).generate(request)


async def test_a_low_estimate_fails_if_the_policy_says_so() -> None:
    far = TESTS.replace("halve", "other")
    request = SuiteRequest(code=CODE)
    suite = await CheckedSuites(Writes(far)).generate(request)
    assert suite.estimated_coverage == 0.3333
    for suites, asked in (
        (CheckedSuites(Writes(far), coverage=CoveragePolicy.FAIL), request),
        (CheckedSuites(Writes(far)), SuiteRequest(code=CODE, coverage_policy="fail")),
    ):
        with pytest.raises(CoverageTooLowError, match=r"0\.3333 of the code, and 0\.85"):
            await suites.generate(asked)


@pytest.mark.parametrize(("given", "meant"), [(85, 0.85), (100, 1), (1, 1), (0.5, 0.5), (0, 0)])
def test_a_percentage_of_an_earlier_version_is_read_as_a_fraction(
    given: float, meant: float
) -> None:
    assert SuiteRequest(code="", target_coverage=given).target_coverage == meant


@pytest.mark.parametrize("given", [101, -1, "much"])
def test_what_is_neither_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="target_coverage"):
        SuiteRequest.model_validate({"code": "", "target_coverage": given})
