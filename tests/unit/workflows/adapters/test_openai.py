"""The OpenAI-compatible adapters, against a server that streams, stalls, refuses and babbles."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tests.support.stand_in_llm import (
    Answer,
    Exchange,
    answers_whole,
    piece,
    refuses,
    sends,
    stalls,
    stand_in,
    streams,
)
from tests.unit.workflows.adapters.model_prompts import CODE, PROMPT, client
from workflows.adapters.openai.gateway import OpenAIGateway
from workflows.adapters.openai.suites import OpenAISuites
from workflows.adapters.patterns.modelled import OpenAIEmbeddings
from workflows.errors import (
    AnswerUnusableError,
    GatewayFailedError,
    GatewayRefusedError,
    PipelineError,
    PromptNotServedError,
    RateLimitedError,
)
from workflows.messages.suites import SuiteRequest
from workflows.messages.usage import Usage
from workflows.settings import OpenAISettings


async def test_code_is_streamed_and_taken_out_of_its_fence() -> None:
    answer = f"Here it is:\n```python\n{CODE}```\nEnjoy!"
    async with stand_in(streams(*answer)) as server:
        generated = await OpenAIGateway(client(server.url + "/")).generate_code(PROMPT)
    assert generated.code == CODE
    assert (generated.model, generated.language) == ("stand-in-1", "python")
    [exchange] = server.exchanges
    assert exchange.path == "/v1/chat/completions"
    assert exchange.headers["authorization"] == "Bearer key"
    assert (exchange.body["model"], exchange.body["stream"]) == ("writer", True)
    system, user = (message["content"] for message in exchange.body["messages"])
    assert "python" in system
    for part in ("that doubles", "double", "that halves", "def halve"):
        assert part in user


async def test_an_answer_in_one_piece_is_read() -> None:
    async with stand_in(answers_whole({"role": "assistant", "content": CODE})) as server:
        generated = await OpenAIGateway(client(server.url)).generate_code(PROMPT)
    assert (generated.code, generated.model) == (CODE, "stand-in-1")


async def test_a_gateway_on_this_machine_is_not_asked_for_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    async with stand_in(streams(CODE)) as server:
        assert (await OpenAIGateway(client(server.url)).generate_code(PROMPT)).code == CODE


async def test_tests_are_written_for_a_coverage() -> None:
    tests = (
        "from generated import double\n\ndef test_it() -> None:\n    assert double(1) == 2\n"
    )
    async with stand_in(streams(f"```\n{tests}```")) as server:
        suite = await OpenAISuites(client(server.url)).generate(
            SuiteRequest(code=CODE, prompt="doubling", target_coverage=0.9)
        )
    assert (suite.code, suite.generator, suite.target_coverage) == (tests, "stand-in-1", 0.9)
    system, user = (m["content"] for m in server.exchanges[0].body["messages"])
    assert "90 %" in system
    assert CODE in user
    assert "doubling" in user


async def test_a_vector_gets_length_one() -> None:
    body = json.dumps({"data": [{"embedding": [3, 4.0]}]})
    async with stand_in(refuses("200 OK", body)) as server:
        embeddings = OpenAIEmbeddings(client(server.url), "embedder")
        assert await embeddings.embed("text") == (0.6, 0.8)
    assert server.exchanges[0].body == {"model": "embedder", "input": "text"}
    assert embeddings.name == "openai/embedder"


def error(message: str, code: str | None = None) -> str:
    return json.dumps({"error": {"message": message, "code": code}})


REFUSALS: dict[str, tuple[Answer, type[PipelineError], str]] = {
    "rate limit": (refuses("429 X", error("slower")), RateLimitedError, "answered 429: slower"),
    "quota": (
        refuses("429 X", error("pay", "insufficient_quota")),
        GatewayRefusedError,
        "answered 429: pay",
    ),
    "server error": (refuses("500 X", "<html>"), GatewayFailedError, "500: no reason given"),
    "overloaded": (refuses("503 X", '{"error": "busy"}'), GatewayFailedError, "503: busy"),
    "key": (refuses("401 X", error("who?")), GatewayRefusedError, "answered 401: who?"),
    "no such model": (refuses("404 X"), GatewayRefusedError, "answered 404"),
    "moved": (refuses("301 X", Location="/v2"), GatewayRefusedError, "answered 301"),
    "too long": (refuses("400 X", error("too long")), PromptNotServedError, "too long"),
    "broken JSON": (sends('data: {"choi\n\n'), GatewayFailedError, "cannot be read.*choi"),
    "no object": (sends("data: [1]\n\n"), GatewayFailedError, "cannot be read"),
    "a number as text": (
        sends('data: {"choices": [{"delta": {"content": 5}}]}\n\n'),
        GatewayFailedError,
        "cannot be read",
    ),
    "no UTF-8": (sends(b"data: \xff\n\n"), GatewayFailedError, "not UTF-8"),
    "no events": (sends("<html>hello</html>"), GatewayFailedError, "before it was complete"),
    "broken off": (sends(piece("def")), GatewayFailedError, "before it was complete"),
    "error in the middle": (
        sends(piece("def") + 'data: {"error": {"message": "overloaded"}}\n\n'),
        GatewayFailedError,
        "overloaded",
    ),
    "cut": (streams("def", finished="length"), AnswerUnusableError, "cut off"),
    "filtered": (streams("", finished="content_filter"), PromptNotServedError, "filter"),
    "tool call": (
        answers_whole({"content": None, "tool_calls": [{"id": "1"}]}, "tool_calls"),
        PromptNotServedError,
        "called a tool",
    ),
    "streamed function call": (
        sends('data: {"choices": [{"delta": {"function_call": {"name": "f"}}}]}\n\n'),
        PromptNotServedError,
        "called a tool",
    ),
    "whole and no JSON": (refuses("200 OK", "<html>"), GatewayFailedError, "cannot be read"),
    "empty": (streams("  \n"), AnswerUnusableError, "without any code"),
    "silence": (stalls, GatewayFailedError, "was silent for 0.3 s"),
}


@pytest.mark.parametrize("what", REFUSALS)
async def test_what_is_no_answer_is_told_for_what_it_is(what: str) -> None:
    answer, kind, message = REFUSALS[what]
    async with stand_in(answer) as server:
        # Short where silence is the matter, and nowhere else: machines are busy.
        silence = 0.3 if answer is stalls else 30
        gateway = OpenAIGateway(client(server.url, silence=silence))
        with pytest.raises(kind, match=message) as raised:
            await gateway.generate_code(PROMPT)
    assert type(raised.value) is kind


async def test_a_slow_answer_is_given_up() -> None:
    async def drips(exchange: Any) -> None:
        await exchange.begin()
        while not exchange.ended.is_set():
            await exchange.send(": still here\n\n")
            await asyncio.sleep(0.05)

    async with stand_in(drips) as server:
        with pytest.raises(GatewayFailedError, match=r"longer than 0\.3 s"):
            await OpenAIGateway(client(server.url, seconds=0.3)).generate_code(PROMPT)


async def test_a_server_that_is_away() -> None:
    async with stand_in(stalls) as server:
        pass
    with pytest.raises(GatewayFailedError, match="cannot be used"):
        await OpenAIGateway(client(server.url)).generate_code(PROMPT)


async def test_a_cancelled_request_hangs_up() -> None:
    async with stand_in(stalls) as server:
        asking = asyncio.create_task(OpenAIGateway(client(server.url)).generate_code(PROMPT))
        await server.asked.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(60):
            await server.exchanges[0].ended.wait()


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("7", 7, 7),
        ("0.5", 0.5, 0.5),
        ("-3", 0, 0),
        ("1e9", 3600, 3600),
        ("a date", 80, 100),
    ],
)
async def test_retry_after_is_understood(asked: str, least: float, most: float) -> None:
    if asked == "a date":
        asked = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    async with stand_in(refuses("503 X", Retry_After=asked)) as server:
        with pytest.raises(GatewayFailedError) as raised:
            await OpenAIGateway(client(server.url)).generate_code(PROMPT)
    assert raised.value.seconds is not None
    assert least <= raised.value.seconds <= most


@pytest.mark.parametrize("asked", ["soon", "nan", ""])
async def test_a_retry_after_that_says_nothing(asked: str) -> None:
    async with stand_in(refuses("429 X", Retry_After=asked)) as server:
        with pytest.raises(RateLimitedError) as raised:
            await OpenAIGateway(client(server.url)).generate_code(PROMPT)
    assert raised.value.seconds is None


async def test_without_a_model_nothing_is_asked() -> None:
    with pytest.raises(GatewayRefusedError, match="OPENAI__MODEL"):
        await OpenAIGateway(client("http://127.0.0.1:1", model="")).generate_code(PROMPT)
    with pytest.raises(GatewayRefusedError, match="OPENAI__EMBEDDING_MODEL"):
        await client("http://127.0.0.1:1", embedding_model="").embed("text")


@pytest.mark.parametrize("vector", ["[]", "[0, 0]", '["x"]', "null"])
async def test_a_vector_without_length_is_refused(vector: str) -> None:
    body = f'{{"data": [{{"embedding": {vector}}}]}}'
    async with stand_in(refuses("200 OK", body)) as server:
        with pytest.raises(GatewayFailedError):
            await client(server.url).embed("text")


@pytest.mark.parametrize("url", ["http://llm.example/v1", "https://user:pass@llm.example/v1"])
def test_the_key_is_not_given_away(url: str) -> None:
    with pytest.raises(ValueError, match="api_key"):
        OpenAISettings(base_url=url, api_key="key")


@pytest.mark.parametrize(
    "url",
    [
        *("http://192.168.1.20:8000/v1", "http://10.0.0.7/v1", "http://[fd00::1]:8080/v1"),
        *("http://vllm:8000/v1", "http://gpu.local/v1", "http://vllm.ai.svc/v1"),
    ],
)
def test_in_a_private_network_a_key_may_go_over_http(url: str) -> None:
    settings = OpenAISettings(base_url=url, api_key="key")
    assert settings.sends_key_in_clear
    assert not OpenAISettings(base_url=url).sends_key_in_clear
    assert not OpenAISettings(base_url="http://127.0.0.1/v1", api_key="k").sends_key_in_clear


async def test_usage_is_in_the_metadata() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.send(piece(CODE, "stop"))
        counted = {"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 34}}
        await exchange.send(f"data: {json.dumps(counted)}\n\ndata: [DONE]\n\n")

    async with stand_in(answer) as server:
        generated = await OpenAIGateway(client(server.url)).generate_code(PROMPT)
    assert generated.usage == Usage(
        prompt_tokens=12, completion_tokens=34, finish_reason="stop", cached=False
    )
    assert server.exchanges[0].body["stream_options"] == {"include_usage": True}


async def test_a_server_that_refuses_to_count_tokens_is_asked_without() -> None:
    strict = refuses("422 X", error("stream_options: extra inputs are not permitted"))
    async with stand_in(strict, streams(CODE)) as server:
        asking = client(server.url)
        gateway = OpenAIGateway(asking)
        assert (await gateway.generate_code(PROMPT)).code == CODE
        assert (await gateway.generate_code(PROMPT)).code == CODE
    assert ["stream_options" in each.body for each in server.exchanges] == [True, False, False]
