"""A check asks a real server for an answer, and says what is wrong and what to do."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.runtime.findings import Finding
from tests.support.stand_in_llm import Answer, answers_whole, refuses, stand_in, streams
from workflows.adapters.openai import check, discovery
from workflows.adapters.openai.check import look_at_embeddings, look_at_model, offer
from workflows.adapters.openai.discovery import LocalServer, local_servers
from workflows.settings import OpenAISettings


def settings(url: str, **more: Any) -> OpenAISettings:
    return OpenAISettings(
        **{"base_url": url, "model": "writer", "embedding_model": "embedder", **more}
    )


def listing(*models: str) -> str:
    return json.dumps({"object": "list", "data": [{"id": each} for each in models]})


@asynccontextmanager
async def models_server(body: str, path: str = "/v1/models") -> AsyncIterator[str]:
    """A server that lists models and refuses every question with 404."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request, *_ = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        found = request.startswith(f"GET {path} ")
        content = body if found else '{"error": {"message": "there is no such thing"}}'
        status = "200 OK" if found else "404 Not Found"
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n{content}".encode()
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def found(answer: Answer, **more: Any) -> Finding:
    async with stand_in(answer) as server:
        return await look_at_model(settings(server.url, **more))


@pytest.fixture(autouse=True)
def no_local_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens to run on this machine does not matter."""

    async def none() -> list[LocalServer]:
        return []

    monkeypatch.setattr(check, "local_servers", none)


async def test_a_model_that_answers_is_ok() -> None:
    finding = await found(streams("yes"))
    assert (finding.state, finding.to_do) == ("ok", None)
    assert "stand-in-1 at http://127.0.0.1" in finding.detail


@pytest.mark.parametrize(
    ("key", "to_do"),
    [
        (None, "set NTBRIDGE_WORKER_OPENAI__API_KEY"),
        ("wrong", "correct NTBRIDGE_WORKER_OPENAI__API_KEY"),
    ],
)
async def test_a_refused_key_is_named(key: str | None, to_do: str) -> None:
    finding = await found(refuses("401 X", '{"error": "who are you?"}'), api_key=key)
    assert finding.state == "failed"
    assert "answered 401: who are you?" in finding.detail
    assert finding.to_do == to_do


async def test_an_unknown_model_is_named_with_those_that_exist() -> None:
    async with models_server(listing("written", "reader")) as url:
        finding = await look_at_model(settings(f"{url}/v1"))
    assert finding.state == "failed"
    assert "its models: written, reader" in finding.detail
    assert finding.to_do == "name one of its models: NTBRIDGE_WORKER_OPENAI__MODEL=written"


async def test_without_a_model_the_server_s_own_are_named() -> None:
    async with models_server(listing("a", "b")) as url:
        finding = await look_at_model(settings(f"{url}/v1", model=""))
    assert "no model is set" in finding.detail
    assert finding.to_do == "name one of its models: NTBRIDGE_WORKER_OPENAI__MODEL=a"


async def test_an_address_without_the_version_is_completed() -> None:
    async with models_server(listing("writer")) as url:
        finding = await look_at_model(settings(url))
    assert finding.state == "failed"
    assert finding.to_do == f"set NTBRIDGE_WORKER_OPENAI__BASE_URL={url}/v1"


async def test_an_address_where_nobody_listens_is_named_and_others_are_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def one() -> list[LocalServer]:
        return [LocalServer("Ollama", "http://127.0.0.1:11434/v1", ("llama",))]

    monkeypatch.setattr(check, "local_servers", one)
    finding = await look_at_model(settings("http://127.0.0.1:1/v1"))
    assert finding.state == "failed"
    assert "http://127.0.0.1:1/v1 cannot be used" in finding.detail
    assert finding.to_do is not None
    assert "NTBRIDGE_WORKER_OPENAI__BASE_URL" in finding.to_do
    assert "Ollama at http://127.0.0.1:11434/v1" in finding.to_do


async def test_a_server_that_does_not_stream_is_a_warning() -> None:
    finding = await found(answers_whole({"role": "assistant", "content": "yes"}))
    assert finding.state == "warning"
    assert "in one piece" in finding.detail
    assert finding.to_do is not None
    assert "NTBRIDGE_WORKER_OPENAI__SILENCE" in finding.to_do


async def test_a_limited_rate_is_a_warning() -> None:
    assert (await found(refuses("429 X", "{}"))).state == "warning"


async def test_a_key_that_goes_over_http_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenAISettings, "sends_key_in_clear", True)
    finding = await found(streams("yes"), api_key="key")
    assert finding.state == "warning"
    assert "sent over http" in finding.detail


async def test_an_embedding_model_gives_a_vector() -> None:
    body = json.dumps({"data": [{"embedding": [3, 4.0]}]})
    async with stand_in(refuses("200 OK", body)) as server:
        finding = await look_at_embeddings(settings(server.url))
        assert (finding.state, finding.detail) == ("ok", "embedder gives vectors of 2 numbers")
        wrong = await look_at_embeddings(settings(server.url, embedding_model=""))
    assert wrong.state == "failed"


async def test_servers_on_this_machine_are_found_by_their_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        models_server(listing("llama", "qwen")) as ollama,
        models_server('{"not": "a list"}') as other,
        models_server(listing(), path="/elsewhere") as nothing,
    ):
        ports = {
            name: int(url.rpartition(":")[2])
            for name, url in {"Ollama": ollama, "other": other, "nothing": nothing}.items()
        }
        [server] = await local_servers({**ports, "nobody": 1})
    assert server == LocalServer("Ollama", f"{ollama}/v1", ("llama", "qwen"))

    async def one() -> list[LocalServer]:
        return [server]

    assert await offer() is None
    monkeypatch.setattr(check, "local_servers", one)
    offered = await offer()
    assert offered is not None
    assert offered.state == "ok"
    assert "none is used" in offered.detail
    assert offered.to_do == f"to use one, set {server.settings()}"
    assert "NTBRIDGE_WORKER_OPENAI__MODEL=llama" in server.settings()


def test_the_usual_ports_are_those_of_the_documentation() -> None:
    assert set(discovery.USUAL_PORTS.values()) == {11434, 8000, 8080, 1234}
