"""What an emit does with an encrypted argument when the daemon has no codec."""

from dataclasses import replace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from bridge.emit.activity import EmitActivities
from bridge.emit.request import ACTIVITY

ENCRYPTED = Payload(
    metadata={"encoding": b"binary/encrypted", "encryption-key-id": b"k1"}, data=b"x"
)
FOREIGN = Payload(metadata={"encoding": b"binary/zlib"}, data=b"x")


async def emit(argument: Payload) -> None:
    """Emit; the argument is read before anything else is needed."""
    unused = cast("Any", None)
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, activity_type=ACTIVITY)
    activities = EmitActivities(unused, unused, unused, unused, unused)
    await environment.run(activities.emit, [RawValue(argument)])


async def test_an_encrypted_argument_is_tried_again_until_the_daemon_has_the_codec() -> None:
    with capture_logs() as logs, pytest.raises(ApplicationError, match="key 'k1'") as raised:
        await emit(ENCRYPTED)
    assert not raised.value.non_retryable
    assert raised.value.type == "CodecMissing"
    assert [each["event"] for each in logs] == ["emit.no_codec"]


async def test_an_argument_in_an_encoding_of_others_is_refused() -> None:
    with pytest.raises(ApplicationError, match="'binary/zlib'") as raised:
        await emit(FOREIGN)
    assert raised.value.non_retryable
