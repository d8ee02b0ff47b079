"""What is taken out of a model's answer, and what a model is told."""

import pytest

from tests.support.stand_in_llm import (
    stand_in,
    streams,
)
from tests.unit.workflows.adapters.model_prompts import CODE, PROMPT, WRONG, client, fenced
from workflows.adapters.openai.gateway import OpenAIGateway
from workflows.adapters.openai.suites import OpenAISuites
from workflows.adapters.openai.wire import code_in
from workflows.messages.code_generation import InformedPrompt
from workflows.messages.suites import RejectedCode, SuiteRequest


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("x = 1", "x = 1\n"),
        ("```python\nx = 1\n```", "x = 1\n"),
        ("```\nx\n```\nand\n```py\nlonger = 2\n```", "longer = 2\n"),
        ("````\n```\nx\n```\n````", "```\nx\n```\n"),
        ("```python\nx = 1\n", "x = 1\n"),
        ("", None),
        ("```\n```", None),
        (
            f"<think>Draft:\n```python\ndef draft(): ...\n\n\n```\n</think>\n```python\n{CODE}```",
            CODE,
        ),
        (f"A draft\n```\n{CODE}# {'x' * 99}\n```\n</think>\n\n```py\n{CODE}```", CODE),
        ("<think>I never end\n```python\nx = 1\n```", None),
        (
            f"```bash\npip install something-with-a-long-name and more of it\n```\n```\n{CODE}```",
            CODE,
        ),
        (
            f"First\n{fenced(WRONG)}\nCorrected:\n{fenced(CODE)}\nUse it:\n{fenced('double(2)')}",
            CODE,
        ),
    ],
)
def test_code_in_an_answer(answer: str, code: str | None) -> None:
    assert code_in(answer) == code


def test_code_in_the_language_that_was_asked_for_is_no_example_of_use() -> None:
    answer = "```sh\necho a longer line of code\n```\nThen:\n```python\nx = 1\n```"
    assert code_in(answer, "bash") == "echo a longer line of code\n"
    assert code_in(answer, "python") == "x = 1\n"


async def test_rejected_code_is_sent_back_with_what_was_found() -> None:
    rejected = RejectedCode(
        code=WRONG,
        tests="def test_it(): ...",
        problems=("tests failed: 4 != 6", "ruff F821: x"),
    )
    prompt = PROMPT.model_copy(update={"rejected": rejected})
    request = SuiteRequest(code=CODE, rejected=rejected)
    async with stand_in(streams(CODE)) as server:
        await OpenAIGateway(client(server.url)).generate_code(prompt)
        await OpenAISuites(client(server.url)).generate(request)
    for exchange, code in zip(server.exchanges, (WRONG, CODE), strict=True):
        user = exchange.body["messages"][1]["content"]
        for part in (code.strip(), "def test_it(): ...", "- tests failed: 4 != 6", "F821"):
            assert part in user


async def test_another_language_gets_no_advice_for_python() -> None:
    prompt = InformedPrompt(text="Halve", language="rust")
    async with stand_in(streams("```rust\nfn f() {}\n```")) as server:
        generated = await OpenAIGateway(client(server.url)).generate_code(prompt)
    assert (generated.code, generated.language) == ("fn f() {}\n", "rust")
    system = server.exchanges[0].body["messages"][0]["content"]
    assert "rust modules" in system
    assert "docstring" not in system
