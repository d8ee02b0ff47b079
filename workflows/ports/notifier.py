"""Something that tells people."""

from typing import Protocol

from workflows.messages.notifications import Notification, Notified


class Notifier(Protocol):
    """Tells people. At least once: the receiver tells a repeat by the notification's id."""

    async def notify(self, notification: Notification) -> Notified:
        """Send a notification.

        Raises:
            NotificationRefusedError: The receiver will never take it.
            NotificationFailedError: It did not take it this time.
        """
