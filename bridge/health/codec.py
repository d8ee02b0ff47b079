"""The check of the payload codec for ``ntbridge doctor``: is it on, and do daemon and workers agree?

A worker cannot be asked for its keys. What it stored can be looked at: the results of the latest runs.
"""

import asyncio
from collections.abc import Sequence

from temporalio.converter import PayloadCodec

from bridge.operations.calls import CallError
from bridge.runtime.codec.encryption import EncryptionCodec
from bridge.runtime.codec.settings import CodecSettings
from bridge.runtime.findings import Finding
from bridge.temporal import Gateway
from bridge.temporal.stored_payloads import READABLE, StoredPayloads

_LATEST = 10
_PATIENCE_SECONDS = 3.0


async def probe_codec(gateway: Gateway, settings: CodecSettings) -> Finding:
    """Return whether a codec is on, with its current key, and whether the latest runs fit it."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            runs = await gateway.stored_payloads(_LATEST)
    except (TimeoutError, CallError):
        runs = []
    codec = gateway.codec
    if not isinstance(codec, EncryptionCodec):
        return judge_codec(settings.remote, None, "", runs)
    keys = codec.keys
    return judge_codec(None, list(keys.ciphers), keys.current, runs)


def judge_codec(
    remote: str | None,
    known: Sequence[str] | None,
    current: str,
    runs: Sequence[StoredPayloads],
) -> Finding:
    """Return the finding. Pure.

    Args:
        remote: The URL of the codec server, if there is one.
        known: The ids of the known keys; None without keys.
        current: The id of the key that encrypts; empty: none.
        runs: The latest closed runs, newest first.
    """
    detail = _detail(remote, known, current)
    if remote is None:
        stored = {part for run in runs for part in (run.memo, run.result)}
        used = {part.removeprefix("key ") for part in stored if part.startswith("key ")}
        if unknown := sorted(used - set(known or ())):
            return Finding(
                "codec",
                "warning",
                f"{detail}; recent runs have payloads encrypted with {', '.join(unknown)}",
                "add these keys to temporal.codec of every daemon and worker",
            )
    if remote is None and not current:
        return Finding("codec", "ok", detail)
    readable = [
        run for run in runs if run.result == READABLE and run.memo not in ("", READABLE)
    ]
    if readable:
        queues = ", ".join(sorted({run.task_queue for run in readable}))
        return Finding(
            "codec",
            "warning",
            f"{detail}; the result of run {readable[0].workflow_id} is readable, its memo is not",
            f"give the workers of {queues} the same codec (NTBRIDGE_WORKER_CODEC__…)",
        )
    agreeing = sum(run.result not in ("", READABLE) for run in runs)
    return Finding(
        "codec",
        "ok",
        f"{detail}; results of {agreeing} of the latest {len(runs)} runs are encoded",
    )


def codec_in_use(codec: PayloadCodec | None, remote: str | None) -> str:
    """Return in words how payloads are encoded."""
    if not isinstance(codec, EncryptionCodec):
        return _detail(remote, None, "")
    return _detail(None, list(codec.keys.ciphers), codec.keys.current)


def _detail(remote: str | None, known: Sequence[str] | None, current: str) -> str:
    if remote is not None:
        return f"on: the codec server {remote}"
    if known is None:
        return "off: Temporal stores payloads readable"
    ids = ", ".join(sorted(known))
    if not current:
        return f"only decrypting, no current key; known: {ids}"
    return f"on: AES-256-GCM, current key {current}; known: {ids}"
