"""The tests of code: those of its author, or generated ones, if they are good enough."""

from workflows.adapters.suites.reading import asserts_results, estimated_coverage
from workflows.errors import CoverageTooLowError, SuiteNotWrittenError
from workflows.messages.suites import CoveragePolicy, GeneratedSuite, SuiteRequest
from workflows.ports import SuiteGenerator


class CheckedSuites:
    """A ``SuiteGenerator`` that refuses tests without an assertion about results.

    Args:
        generator: Generates tests for code whose author wrote none.
        coverage: What follows from a low estimate if a request does not say it.
    """

    def __init__(
        self, generator: SuiteGenerator, *, coverage: CoveragePolicy = CoveragePolicy.WARN
    ) -> None:
        self._generator = generator
        self._coverage = coverage

    async def generate(self, request: SuiteRequest) -> GeneratedSuite:
        """Return the tests with an estimate of their coverage.

        Raises:
            CoverageTooLowError: The estimate is too low, and the policy is ``fail``.
        """
        suite = await self._suite(request)
        if suite.language != "python":
            return suite
        if not asserts_results(suite.code):
            raise SuiteNotWrittenError(
                f"the tests of {suite.generator} assert no result of the code"
            )
        estimated = estimated_coverage(request.code, suite.code)
        policy = request.coverage_policy or self._coverage
        low = estimated is not None and estimated < request.target_coverage
        if low and policy is CoveragePolicy.FAIL:
            raise CoverageTooLowError(
                f"the tests of {suite.generator} can reach {estimated} of the code, and "
                f"{request.target_coverage} is required"
            )
        return suite.model_copy(update={"estimated_coverage": estimated})

    async def _suite(self, request: SuiteRequest) -> GeneratedSuite:
        if request.tests is not None and request.author is not None:
            return GeneratedSuite(
                code=request.tests,
                language=request.language,
                generator=request.author,
                target_coverage=request.target_coverage,
            )
        return await self._generator.generate(request)
