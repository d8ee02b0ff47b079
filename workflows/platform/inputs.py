"""Decodes and validates the untrusted argument of a workflow.

The argument is the data of an event from any publisher. If the parameter had the message's type,
the data converter would validate it before the workflow's first line. A wrong field would then
fail the *workflow task*, which Temporal retries without end, and the run would hang without an
error. So a workflow takes a ``RawValue``, which is not decoded on arrival, and decodes it here,
inside its own error handling.

A member that the message does not have is refused: it may be misspelt (``resorces``), and a run that
ignores it would do something else than was asked. Messages between workflows and activities ignore
unknown members, because a newer worker may send them.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TypeVar

from pydantic import ValidationError
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from workflows.errors import InvalidInputError
from workflows.messages.message import Message

Input = TypeVar("Input", bound=Message)

STRICT_INPUT = "strict-input"
"""The patch with which older runs that ignored unknown members still replay."""

NO_INPUT = RawValue(Payload(metadata={"encoding": b"binary/null"}))
"""The argument of a run that was started without an argument."""


def read_input(argument: RawValue, message: type[Input]) -> Input:
    """Decode and validate a workflow's argument.

    Raises:
        InvalidInputError: The argument is invalid; the message lists every fault.
    """
    try:
        decoded: object = workflow.payload_converter().from_payload(argument.payload, message)
    except ValidationError as error:
        raise InvalidInputError(f"not a {message.__name__}: {_faults(error)}") from error
    except Exception as error:  # an unknown encoding, or bytes where text should be
        raise InvalidInputError(f"not a {message.__name__}: {error}") from error
    if not isinstance(decoded, message):
        raise InvalidInputError(
            f"not a {message.__name__}: there is {_kind(decoded)} where an object should be"
        )
    given: object = workflow.payload_converter().from_payload(argument.payload)
    unknown = unknown_members(decoded, given)
    # Asked only if needed: it adds a marker to the history.
    if unknown and workflow.patched(STRICT_INPUT):
        raise InvalidInputError(f"not a {message.__name__}: {'; '.join(unknown)}")
    return decoded


def unknown_members(read: object, given: object, where: str = "") -> list[str]:
    """Return the members of JSON that a message and the messages in it do not have.

    Args:
        read: What was read from the JSON.
        given: The JSON.
        where: Its place, as a prefix of the names.
    """
    if isinstance(read, Message) and isinstance(given, dict):
        fields = type(read).model_fields
        faults = [_unknown(f"{where}{name}", fields) for name in given if name not in fields]
        for name in fields.keys() & given.keys():
            faults += unknown_members(getattr(read, name), given[name], f"{where}{name}.")
        return sorted(faults)
    if isinstance(read, tuple) and isinstance(given, list):
        return [
            fault
            for number, (inner, of) in enumerate(zip(read, given, strict=True))
            for fault in unknown_members(inner, of, f"{where}{number}.")
        ]
    return []


def _unknown(name: str, fields: Iterable[str]) -> str:
    near = get_close_matches(name.rpartition(".")[2], fields, n=1)
    return f"{name}: unknown member" + (f"; did you mean {near[0]}?" if near else "")


def _faults(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'the input'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)
    )


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
