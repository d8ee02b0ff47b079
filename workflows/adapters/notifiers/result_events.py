"""Notifications by result events only: recipients subscribe to them."""

from workflows.messages.approvals import Notification, Notified


class ResultEventsOnly:
    """A ``Notifier`` for which the result event that the workflow emits is the notification."""

    async def notify(self, notification: Notification) -> Notified:
        """Do nothing: the event is on NATS."""
        return Notified(id=notification.id, channel="result event")
