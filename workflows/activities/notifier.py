"""Notifier: sends notifications to people."""

from temporalio import activity

from workflows.activities.heartbeats import heartbeating
from workflows.messages.approvals import Notification, Notified
from workflows.ports import Notifier
from workflows.steps import qinfra as steps


class NotifierActivities:
    """The notification step; the receiver deduplicates by the notification's id."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    @activity.defn(name=steps.notify.name)
    async def notify(self, notification: Notification) -> Notified:
        """Send a notification."""
        async with heartbeating():
            return await self._notifier.notify(notification)
