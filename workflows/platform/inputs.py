"""Reading a workflow's argument without trusting it.

The argument is an event's data, and anybody may have written it. Were the parameter annotated
with the message's type, the data converter would validate it before the workflow's first line,
and a wrong field would fail the *workflow task*, which Temporal retries for ever: the run would
hang, and nobody would hear of it. So a workflow takes a ``RawValue``, which is never decoded on
the way in, and reads it here, inside its own error handling.
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
"""The argument of a run that was started without one."""


def read_input(argument: RawValue, message: type[Input]) -> Input:
    """Decode and validate a workflow's argument.

    Raises:
        InvalidInputError: When it is no such message; says every fault and where it is.
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
