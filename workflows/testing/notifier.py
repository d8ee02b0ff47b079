"""The contracts of notifiers."""

from typing import ClassVar, Protocol

import pytest

from workflows.errors import NotificationFailedError, NotificationRefusedError
from workflows.messages.approvals import Notification
from workflows.ports import Notifier

NOTIFICATION = Notification(
    id="infra-provision/1/approval/1",
    kind="io.quantum-suite.infra.approval-requested.v1",
    title="Apply 2 changes to production?",
    text="Answer until 2026-12-01 08:00 UTC. Grüße.",
    to=("ann", "bob"),
    severity="warning",
    workflow_id="infra-provision/1",
    data={"plan": "p1"},
)


class Receiver(Protocol):
    """The system that notifications go to, as a test sees and controls it."""

    @property
    def ids(self) -> list[str]:
        """The ids of the notifications that arrived, in order, with repeats."""

    def be_away(self) -> None:
        """Accept nothing for now, like a system that is down."""

    def reject(self) -> None:
        """Reject every notification, like a system that does not know the channel."""


class NotifierContract:
    """What every ``Notifier`` guarantees. Needs the fixture ``notifier``."""

    async def test_the_answer_says_what_was_sent_and_how(self, notifier: Notifier) -> None:
        notified = await notifier.notify(NOTIFICATION)
        assert notified.id == NOTIFICATION.id, "the answer is about another notification"
        assert notified.channel, "the answer does not say how it was sent"

    async def test_a_repeat_gets_the_same_answer(self, notifier: Notifier) -> None:
        first = await notifier.notify(NOTIFICATION)
        assert await notifier.notify(NOTIFICATION) == first, "a repeat has another answer"


class DeliveringNotifierContract(NotifierContract):
    """The same, of a ``Notifier`` that sends to another system. Also needs ``receiver``.

    Attributes:
        secrets: Texts that no error may show, such as keys and tokens in addresses.
    """

    secrets: ClassVar[tuple[str, ...]] = ()

    async def test_it_arrives_with_its_id_also_when_repeated(
        self, notifier: Notifier, receiver: Receiver
    ) -> None:
        await notifier.notify(NOTIFICATION)
        await notifier.notify(NOTIFICATION)
        arrived = receiver.ids
        assert arrived, "nothing arrived"
        assert set(arrived) == {NOTIFICATION.id}, "receivers cannot recognise the repeat"

    async def test_a_receiver_that_is_away_is_worth_a_retry(
        self, notifier: Notifier, receiver: Receiver
    ) -> None:
        receiver.be_away()
        with pytest.raises(NotificationFailedError) as failed:
            await notifier.notify(NOTIFICATION)
        self._shows_no_secret(failed.value)

    async def test_a_rejection_is_final(self, notifier: Notifier, receiver: Receiver) -> None:
        receiver.reject()
        with pytest.raises(NotificationRefusedError) as refused:
            await notifier.notify(NOTIFICATION)
        self._shows_no_secret(refused.value)

    def _shows_no_secret(self, error: Exception) -> None:
        shown = [secret for secret in self.secrets if secret in str(error)]
        assert not shown, f"the error shows {len(shown)} secrets"
