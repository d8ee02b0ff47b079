"""QAgent's steps: code from a prompt, its provenance and its patterns."""

from workflows.messages.code_generation import (
    Artifact,
    CheckReport,
    CheckRequest,
    CodeGenerationRequest,
    Fingerprint,
    GeneratedCode,
    InformedPrompt,
    ParsedPrompt,
)
from workflows.messages.patterns import AcceptedCode, Learned, SimilarPatterns
from workflows.messages.provenance import Seal, SealRequest
from workflows.messages.suites import (
    GeneratedSuite,
    SuiteReport,
    SuiteRequest,
    SuiteRun,
)
from workflows.messages.undoing import Cleaned, CleanupRequest
from workflows.platform.policies import COMPENSATION, GENERATION
from workflows.platform.step import Step

MODULE = "qagent"

parse_prompt = Step(
    module=MODULE,
    name="qagent.parse_prompt",
    takes=CodeGenerationRequest,
    gives=ParsedPrompt,
    policy=GENERATION,
    summary="parse and validate the prompt",
)
search_patterns = Step(
    module=MODULE,
    name="qagent.search_patterns",
    takes=ParsedPrompt,
    gives=SimilarPatterns,
    policy=GENERATION,
    summary="find the most similar patterns",
)
generate_code = Step(
    module=MODULE,
    name="qagent.generate_code",
    takes=InformedPrompt,
    gives=GeneratedCode,
    policy=GENERATION,
    summary="generate the code",
)
check_code = Step(
    module=MODULE,
    name="qagent.check_code",
    takes=CheckRequest,
    gives=CheckReport,
    policy=GENERATION,
    summary="check that the code compiles and is clean",
)
write_tests = Step(
    module=MODULE,
    name="qagent.write_tests",
    takes=SuiteRequest,
    gives=GeneratedSuite,
    policy=GENERATION,
    summary="write tests for the code",
)
test_code = Step(
    module=MODULE,
    name="qagent.test_code",
    takes=SuiteRun,
    gives=SuiteReport,
    policy=GENERATION,
    summary="run the tests of the code",
)
fingerprint = Step(
    module=MODULE,
    name="qagent.fingerprint",
    takes=Artifact,
    gives=Fingerprint,
    policy=GENERATION,
    summary="take the fingerprint",
)
seal = Step(
    module=MODULE,
    name="qagent.seal",
    takes=SealRequest,
    gives=Seal,
    policy=GENERATION,
    summary="vouch for all that the run has told",
)
learn_pattern = Step(
    module=MODULE,
    name="qagent.learn_pattern",
    takes=AcceptedCode,
    gives=Learned,
    policy=GENERATION,
    summary="remember the accepted code as a pattern",
)
cleanup_code = Step(
    module=MODULE,
    name="qagent.cleanup_code",
    takes=CleanupRequest,
    gives=Cleaned,
    policy=COMPENSATION,
    summary="forget what was learned from this run's code",
)
