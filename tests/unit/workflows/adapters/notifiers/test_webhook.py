"""Notifications reach their receiver signed; what it says decides about another try."""

import base64
import json
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from tests.support.webhook_receiver import SECRET, Receiver, receiving
from workflows.adapters.notifiers.webhook import WebhookNotifier, signature
from workflows.errors import (
    InvalidSettingError,
    NotificationFailedError,
    NotificationRefusedError,
)
from workflows.messages.approvals import Notification

NOTIFICATION = Notification(
    id="run/approval/1",
    kind="io.quantum-suite.infra.approval-requested.v1",
    title="May it be?",
    text="Until tomorrow: Grüße.",
    to=("ann",),
    workflow_id="infra-provision/1",
    data={"plan": "p"},
)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


def webhook(receiver: Receiver, seconds: float = 5) -> WebhookNotifier:
    return WebhookNotifier(receiver.url, SecretStr(SECRET), seconds=seconds)


def answering(status: str, body: str = "", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


async def test_the_receiver_can_tell_who_sends_and_what(receiver: Receiver) -> None:
    told = await webhook(receiver).notify(NOTIFICATION)
    assert (told.id, told.channel) == (NOTIFICATION.id, "webhook")
    assert json.loads(receiver.body) == NOTIFICATION.model_dump(mode="json")
    got = receiver.headers
    assert got["webhook-id"] == NOTIFICATION.id
    assert got["webhook-signature"] == receiver.expected_signature


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of the Standard Webhooks libraries."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signature(
        key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}'
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "answer",
    [
        answering("500 Oh", "not now"),
        answering("503 Oh"),
        answering("429 Slowly"),
        answering("408 Late"),
        b"nonsense\r\n\r\n",
        b"",
    ],
)
async def test_what_may_go_better_next_time_is_tried_again(
    receiver: Receiver, answer: bytes
) -> None:
    receiver.answer = answer
    with pytest.raises(NotificationFailedError, match=r"127\.0\.0\.1"):
        await webhook(receiver).notify(NOTIFICATION)


async def test_a_receiver_that_says_nothing_is_not_waited_for(receiver: Receiver) -> None:
    receiver.answer = None
    with pytest.raises(NotificationFailedError, match="Timeout"):
        await webhook(receiver, seconds=0.2).notify(NOTIFICATION)


async def test_one_that_is_not_there_may_come_back() -> None:
    away = WebhookNotifier("http://127.0.0.1:9/", SecretStr(SECRET))
    with pytest.raises(NotificationFailedError):
        await away.notify(NOTIFICATION)


@pytest.mark.parametrize(
    "answer",
    [
        answering("400 No", "no such channel"),
        answering("410 Gone"),
        answering("302 There", "", "Location: http://127.0.0.1:9/"),
    ],
)
async def test_what_will_never_be_taken_is_told_without_the_address(
    receiver: Receiver, answer: bytes
) -> None:
    receiver.answer = answer
    with pytest.raises(NotificationRefusedError, match="answered") as refused:
        await webhook(receiver).notify(NOTIFICATION)
    assert "token=secret" not in str(refused.value)
    assert receiver.requests == 1


@pytest.mark.parametrize("secret", ["whsec_", "whsec_no base64!"])
def test_a_secret_that_is_none(secret: str) -> None:
    with pytest.raises(InvalidSettingError, match="secret"):
        WebhookNotifier("https://example.com", SecretStr(secret))
