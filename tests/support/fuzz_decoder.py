"""Coverage-guided fuzzing of the CloudEvents decoder, with atheris (libFuzzer for Python).

A program, since libFuzzer never returns: ``python -m tests.support.fuzz_decoder FOLDER [flag…]``, with
libFuzzer's own flags (``-max_total_time=600``). It begins from the messages of the corpus. An input is a
message: header lines, an empty line, the payload. What is neither an event nor refused with a
`DecodeError` ends it with the traceback and leaves the input in a file ``crash-…``.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bridge", "eventstore"]):
    from bridge.cloudevents.codec import decode, from_json, to_json
    from bridge.errors import DecodeError

from tests.contract.cloudevents import corpus


def as_input(headers: dict[str, str] | None, payload: bytes) -> bytes:
    lines = [f"{name}:{value}" for name, value in (headers or {}).items()]
    return "\n".join(lines).encode(errors="surrogateescape") + b"\n\n" + payload


def from_input(data: bytes) -> tuple[dict[str, str] | None, bytes]:
    head, _, payload = data.partition(b"\n\n")
    lines = [line.partition(":") for line in head.decode(errors="surrogateescape").split("\n")]
    return {name: value for name, colon, value in lines if colon} or None, payload


def one(data: bytes) -> None:
    """Decode one input; an event must be passed on as the same event."""
    try:
        event = decode(*from_input(data))
    except DecodeError:
        return
    if from_json(to_json(event)).digest != event.digest:
        raise AssertionError(f"passed on as another event: {event}")


def main() -> None:
    folder = Path(sys.argv[1])
    for number, case in enumerate(corpus.load()):
        (folder / f"seed-{number}").write_bytes(as_input(case.headers, case.payload))
    atheris.Setup([sys.argv[0], *sys.argv[2:], str(folder)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
