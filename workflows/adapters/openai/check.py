"""Asks the server of the language model for a real, tiny answer, and says what is wrong."""

import time
from difflib import get_close_matches
from typing import Final

import httpx

from bridge.runtime.findings import Finding
from workflows.adapters.models.calls import Completion
from workflows.adapters.openai.client import DIRECT, OpenAIClient
from workflows.adapters.openai.discovery import local_servers, models_of
from workflows.errors import (
    GatewayFailedError,
    GatewayRefusedError,
    PermanentError,
    RateLimitedError,
)
from workflows.settings import OpenAISettings

CHECK: Final = "language model"
EMBEDDINGS: Final = "embedding model"
_SECONDS: Final = 60.0
"""Timeout of the answer: a local server may load the model first."""
_SHOWN: Final = 8
_KEY_REFUSED: Final = frozenset({401, 403})


async def look_at_model(settings: OpenAISettings) -> Finding:
    """Ask the model for one word."""
    began = time.monotonic()
    try:
        answer = await OpenAIClient(settings).complete(
            system="Answer with one word.",
            user="Say yes.",
            within=min(_SECONDS, settings.seconds),
        )
    except RateLimitedError as error:
        return Finding(CHECK, "warning", str(error), "wait, or ask for a higher limit")
    except GatewayFailedError as error:
        return await _unreachable(settings, error)
    except (GatewayRefusedError, PermanentError) as error:
        return await _refused(settings, error)
    return _answered(settings, answer, time.monotonic() - began)


async def look_at_embeddings(settings: OpenAISettings) -> Finding:
    """Ask the embedding model for one vector."""
    try:
        vector = await OpenAIClient(settings).embed("yes")
    except RateLimitedError as error:
        return Finding(EMBEDDINGS, "warning", str(error), "wait, or ask for a higher limit")
    except (GatewayFailedError, PermanentError) as error:
        to_do = (
            "correct NTBRIDGE_WORKER_OPENAI__EMBEDDING_MODEL, or use QAGENT__EMBEDDINGS=lexical"
        )
        return Finding(EMBEDDINGS, "failed", str(error), to_do)
    detail = f"{settings.embedding_model} gives vectors of {len(vector)} numbers"
    return Finding(EMBEDDINGS, "ok", detail)


async def offer() -> Finding | None:
    """Return a finding about servers on this machine that could be used; None without any."""
    servers = await local_servers()
    if not servers:
        return None
    names = "; ".join(
        f"{each.name} at {each.base_url} ({_listed(each.models)})" for each in servers
    )
    detail = f"none is used; on this machine there may be {names}"
    return Finding(CHECK, "ok", detail, f"to use one, set {servers[0].settings()}")


def _answered(settings: OpenAISettings, answer: Completion, seconds: float) -> Finding:
    detail = f"{answer.model} at {settings.base_url} answered in {seconds:.1f} s"
    if settings.sends_key_in_clear:
        return Finding(
            CHECK,
            "warning",
            f"{detail}; the key is sent over http, unencrypted",
            "use https, or keep it where the network in between is trusted",
        )
    if not answer.streamed:
        return Finding(
            CHECK,
            "warning",
            f"{detail}, in one piece: the server ignores 'stream', so a long answer looks like silence",
            f"switch streaming on at the server, or raise NTBRIDGE_WORKER_OPENAI__SILENCE "
            f"({settings.silence:g} s)",
        )
    if answer.usage.tokens is None and settings.tokens_per_minute is not None:
        return Finding(
            CHECK,
            "warning",
            f"{detail}, but reports no tokens",
            "NTBRIDGE_WORKER_OPENAI__TOKENS_PER_MINUTE counts estimates; limit requests instead",
        )
    return Finding(CHECK, "ok", detail)


async def _unreachable(settings: OpenAISettings, error: GatewayFailedError) -> Finding:
    to_do = "start the server, or correct NTBRIDGE_WORKER_OPENAI__BASE_URL"
    servers = [each for each in await local_servers() if each.base_url != settings.base_url]
    if servers:
        found = "; ".join(f"{each.name} at {each.base_url}" for each in servers)
        to_do = f"{to_do}; on this machine there may be {found}"
    return Finding(CHECK, "failed", str(error), to_do)


async def _refused(settings: OpenAISettings, error: PermanentError) -> Finding:
    """Return why a server does not serve this model with this key at this address."""
    status = error.status if isinstance(error, GatewayRefusedError) else None
    if status in _KEY_REFUSED:
        given = "correct" if settings.api_key is not None else "set"
        to_do = f"{given} NTBRIDGE_WORKER_OPENAI__API_KEY"
        return Finding(CHECK, "failed", str(error), to_do)
    headers = {}
    if settings.api_key is not None:
        headers["Authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
    async with httpx.AsyncClient(mounts=DIRECT) as client:
        models = await models_of(client, settings.base_url, headers)
        if models is not None and settings.model not in models:
            near = get_close_matches(settings.model, models, n=1) or list(models[:1])
            hint = f": NTBRIDGE_WORKER_OPENAI__MODEL={near[0]}" if near else ""
            return Finding(
                CHECK,
                "failed",
                f"{error}; its models: {_listed(models)}",
                f"name one of its models{hint}",
            )
        with_version = f"{settings.base_url.rstrip('/')}/v1"
        if models is None and await models_of(client, with_version, headers) is not None:
            to_do = f"set NTBRIDGE_WORKER_OPENAI__BASE_URL={with_version}"
            return Finding(CHECK, "failed", f"{error}; the version is missing", to_do)
    to_do = "correct NTBRIDGE_WORKER_OPENAI__BASE_URL, __MODEL or __API_KEY"
    return Finding(CHECK, "failed", str(error), to_do)


def _listed(models: tuple[str, ...]) -> str:
    if not models:
        return "no models"
    more = len(models) - _SHOWN
    return ", ".join(models[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
