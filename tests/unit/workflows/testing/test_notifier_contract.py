"""The shipped notifiers pass the contract; for each of its tests, one with a fault fails it."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from typing_extensions import override

from tests.support.webhook_receiver import SECRET, Receiver, receiving
from tests.support.wrong_adapters import contract_tests, fails
from workflows.adapters.notifiers.result_events import ResultEventsOnly
from workflows.adapters.notifiers.webhook import WebhookNotifier
from workflows.errors import NotificationFailedError, NotificationRefusedError
from workflows.messages.approvals import Notification, Notified
from workflows.ports import Notifier
from workflows.testing.notifier import DeliveringNotifierContract, NotifierContract


class TestResultEventsOnly(NotifierContract):
    @pytest.fixture
    def notifier(self) -> Notifier:
        return ResultEventsOnly()


class WebhookReceiver:
    """The receiver of webhooks, as the contract needs it."""

    def __init__(self, server: Receiver) -> None:
        self.server = server

    @property
    def ids(self) -> list[str]:
        return [taken["id"] for taken in self.server.taken]

    def be_away(self) -> None:
        self.server.answer = b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n"

    def reject(self) -> None:
        self.server.answer = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"


class TestWebhook(DeliveringNotifierContract):
    secrets = ("token=secret", SECRET)

    @pytest.fixture
    async def receiver(self) -> AsyncIterator[WebhookReceiver]:
        async with receiving() as server:
            yield WebhookReceiver(server)

    @pytest.fixture
    def notifier(self, receiver: WebhookReceiver) -> Notifier:
        return WebhookNotifier(receiver.server.url, SecretStr(SECRET))


class Mailbox:
    """A receiver in memory."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.fault: Exception | None = None

    def be_away(self) -> None:
        self.fault = NotificationFailedError("the mailbox is away")

    def reject(self) -> None:
        self.fault = NotificationRefusedError("the mailbox is closed")


class Right:
    """A notifier that does what it should; each of the others has one fault."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.sent = 0

    async def notify(self, notification: Notification) -> Notified:
        self.sent += 1
        if self.mailbox.fault is not None:
            raise self.mailbox.fault
        self.mailbox.ids.append(notification.id)
        return Notified(id=notification.id, channel="mailbox")


class Anonymous(Right):
    @override
    async def notify(self, notification: Notification) -> Notified:
        return Notified(id="sent", channel=(await super().notify(notification)).channel)


class Counting(Right):
    @override
    async def notify(self, notification: Notification) -> Notified:
        return Notified(id=(await super().notify(notification)).id, channel=f"no {self.sent}")


class Renaming(Right):
    @override
    async def notify(self, notification: Notification) -> Notified:
        name = f"{notification.id}/{self.sent}"
        await super().notify(notification.model_copy(update={"id": name}))
        return Notified(id=notification.id, channel="mailbox")


class Optimist(Right):
    """It takes every failure for a success."""

    @override
    async def notify(self, notification: Notification) -> Notified:
        try:
            return await super().notify(notification)
        except (NotificationFailedError, NotificationRefusedError):
            return Notified(id=notification.id, channel="mailbox")


class Talkative(Right):
    @override
    async def notify(self, notification: Notification) -> Notified:
        try:
            return await super().notify(notification)
        except NotificationFailedError as error:
            raise NotificationFailedError(f"{error}: https://acme?token=secret") from error


class Example(DeliveringNotifierContract):
    __test__ = False
    secrets = ("token=secret",)


class TestRight(Example):
    __test__ = True

    @pytest.fixture
    def receiver(self) -> Mailbox:
        return Mailbox()

    @pytest.fixture
    def notifier(self, receiver: Mailbox) -> Notifier:
        return Right(receiver)


WRONG: list[tuple[str, type[Right]]] = [
    ("test_the_answer_says_what_was_sent_and_how", Anonymous),
    ("test_a_repeat_gets_the_same_answer", Counting),
    ("test_it_arrives_with_its_id_also_when_repeated", Renaming),
    ("test_a_receiver_that_is_away_is_worth_a_retry", Optimist),
    ("test_a_receiver_that_is_away_is_worth_a_retry", Talkative),
    ("test_a_rejection_is_final", Optimist),
]


@pytest.mark.parametrize(("test", "wrong"), WRONG)
async def test_a_wrong_notifier_fails(test: str, wrong: type[Right]) -> None:
    mailbox = Mailbox()
    await fails(Example(), test, {"notifier": wrong(mailbox), "receiver": mailbox})


def test_each_test_has_one_that_fails_it() -> None:
    assert {test for test, _ in WRONG} == contract_tests(DeliveringNotifierContract)
