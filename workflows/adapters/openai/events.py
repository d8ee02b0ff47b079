"""The part of server-sent events that language models use (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncGenerator, AsyncIterable

from workflows.errors import GatewayFailedError

MAX_ANSWER = 16 * 2**20
"""Maximum bytes of one answer."""


async def events_of(received: AsyncIterable[bytes]) -> AsyncGenerator[str]:
    """Yield the data of each event. Comments and other fields are skipped.

    Raises:
        GatewayFailedError: The answer is longer than ``MAX_ANSWER``, or not UTF-8.
    """
    pending = b""
    total = 0
    data: list[str] = []
    async for piece in received:
        total += len(piece)
        if total > MAX_ANSWER:
            raise GatewayFailedError(f"the answer is longer than {MAX_ANSWER} bytes")
        *lines, pending = (pending + piece).split(b"\n")
        for line in lines:
            text = _text(line)
            if text:
                data += _data(text)
            elif data:
                yield "\n".join(data)
                data = []
    # Some servers close the connection without the empty line after the last event.
    data += _data(_text(pending))
    if data:
        yield "\n".join(data)


def _data(line: str) -> list[str]:
    return [line[5:].removeprefix(" ")] if line.startswith("data:") else []


def _text(line: bytes) -> str:
    try:
        return line.removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise GatewayFailedError(f"the answer is not UTF-8: {error}") from error
