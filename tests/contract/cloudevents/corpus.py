"""The corpus: messages good and bad, one a file, each with its stated verdict.

To add a case, write ``cases/<folder>/<name>.yaml``; the runner finds it by itself::

    about: Why the verdict is what it is, in one sentence.
    headers:                    # as the NATS client hands them on; null means none
      ce-id: '42'
    payload: '{"a": 1}'         # the body
    event:                      # the verdict: this very event, ...
      id: '42'
      data: '{"a": 1}'          # left out: no data
      extensions: {hops: 2}
    refused: json               # ... or the code of the DecodeError

Payload and data are a text, or ``{hex: …}``, ``{base64: …}``, ``{text: …, times: …}``, or a list
of these, to be joined. A header may be ``{hex: …}``: bytes that are no UTF-8 reach us as lone
surrogates. The folders say what a case is about: a content mode, or the choice of it (``modes``).
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from eventstore.events import Event

CASES = Path(__file__).with_name("cases")


@dataclass(frozen=True)
class Case:
    """A message and its verdict: an event, or else the code of the refusal."""

    name: str
    headers: dict[str, str] | None
    payload: bytes
    event: Event | None
    refused: str | None


def load() -> list[Case]:
    return [read(path) for path in sorted(CASES.rglob("*.yaml"))]


def read(path: Path) -> Case:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    unknown = document.keys() - {"about", "headers", "payload", "event", "refused"}
    if unknown or not document["about"] or ("event" in document) == ("refused" in document):
        raise ValueError(
            f"{path} needs 'about' and one verdict, and nothing unknown: {unknown}"
        )
    headers = document["headers"]
    return Case(
        name=path.relative_to(CASES).with_suffix("").as_posix(),
        headers=None if headers is None else {k: _header(v) for k, v in headers.items()},
        payload=_bytes(document["payload"]),
        event=_event(document["event"]) if "event" in document else None,
        refused=document.get("refused"),
    )


def _event(attributes: dict[str, Any]) -> Event:
    data = attributes.pop("data", None)
    return Event(**attributes, data=None if data is None else _bytes(data))


def _header(value: Any) -> str:
    return value if isinstance(value, str) else _bytes(value).decode(errors="surrogateescape")


def _bytes(value: Any) -> bytes:
    match value:
        case str():
            return value.encode()
        case list():
            return b"".join(_bytes(part) for part in value)
        case {"hex": str(digits)}:
            return bytes.fromhex(digits)
        case {"base64": str(text)}:
            return base64.b64decode(text, validate=True)
        case {"text": str(text), "times": int(times)}:
            return text.encode() * times
        case _:
            raise ValueError(f"neither text nor bytes: {value!r}")
