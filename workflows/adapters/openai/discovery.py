"""Finds servers of language models on this machine. They are offered, never used unasked."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx
import msgspec

USUAL_PORTS: Final[Mapping[str, int]] = {
    "Ollama": 11434,
    "vLLM": 8000,
    "llama.cpp": 8080,
    "LM Studio": 1234,
}
"""The default ports of servers with OpenAI's HTTP API. Another program may use them."""
_SECONDS = 2.0
_MAX_BYTES = 2**20


class _Model(msgspec.Struct, frozen=True):
    id: str


class _Models(msgspec.Struct, frozen=True):
    data: list[_Model]


@dataclass(frozen=True)
class LocalServer:
    """A server that answered, by the usual name of its port, and its models."""

    name: str
    base_url: str
    models: tuple[str, ...]

    def settings(self) -> str:
        """Return the variables that use it."""
        model = self.models[0] if self.models else "NAME"
        return (
            "NTBRIDGE_WORKER_QAGENT__GATEWAY=openai "
            f"NTBRIDGE_WORKER_OPENAI__BASE_URL={self.base_url} "
            f"NTBRIDGE_WORKER_OPENAI__MODEL={model}"
        )


async def local_servers(ports: Mapping[str, int] = USUAL_PORTS) -> list[LocalServer]:
    """Return the servers on this machine that list their models; waits at most two seconds."""
    async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
        found = await asyncio.gather(
            *(
                _look(client, name, f"http://127.0.0.1:{port}/v1")
                for name, port in ports.items()
            )
        )
    return [each for each in found if each is not None]


async def _look(client: httpx.AsyncClient, name: str, base_url: str) -> LocalServer | None:
    models = await models_of(client, base_url)
    return None if models is None else LocalServer(name, base_url, models)


async def models_of(
    client: httpx.AsyncClient, base_url: str, headers: Mapping[str, str] | None = None
) -> tuple[str, ...] | None:
    """Return the names of a server's models; None if it does not list any as OpenAI's API does."""
    try:
        async with (
            asyncio.timeout(_SECONDS),
            client.stream("GET", f"{base_url.rstrip('/')}/models", headers=headers) as response,
        ):
            if not response.is_success:
                return None
            body = b""
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _MAX_BYTES:
                    return None
        return tuple(each.id for each in msgspec.json.decode(body, type=_Models).data)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None  # another program listens there
