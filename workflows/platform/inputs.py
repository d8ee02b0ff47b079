"""Decodes and validates the untrusted argument of a workflow.

The argument is the data of an event from any publisher. If the parameter had the message's type,
the data converter would validate it before the workflow's first line. A wrong field would then
fail the *workflow task*, which Temporal retries without end, and the run would hang without an
error. So a workflow takes a ``RawValue``, which is not decoded on arrival, and decodes it here,
inside its own error handling.
"""

from typing import TypeVar

from pydantic import ValidationError
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from workflows.errors import InvalidInputError
from workflows.messages.message import Message

Input = TypeVar("Input", bound=Message)

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
    return decoded


def _faults(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'the input'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)
    )


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
