"""Notifications by a webhook, signed according to the Standard Webhooks specification.

==========================  =================================================================
``webhook-id``              the notification's id: the same for every attempt, to detect repeats
``webhook-timestamp``       seconds since 1970, of this attempt
``webhook-signature``       ``v1,`` and the Base64 of HMAC-SHA256 over ``id.timestamp.body``
==========================  =================================================================

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the
secret is ``whsec_`` and Base64; libraries for receivers are listed there.
"""

import base64
import binascii
import hmac
import time
from http import HTTPStatus

import httpx
from pydantic import SecretStr

from workflows.errors import (
    InvalidSettingError,
    NotificationFailedError,
    NotificationRefusedError,
)
from workflows.messages.approvals import Notification, Notified

_PREFIX = "whsec_"
_SAID = 200
_WORTH_ANOTHER_TRY = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}


class WebhookNotifier:
    """A ``Notifier`` that posts notifications as JSON.

    Args:
        url: The receiver's address.
        secret: ``whsec_`` and Base64.
        seconds: Timeout of the receiver's answer.

    Raises:
        InvalidSettingError: The secret is invalid.
    """

    def __init__(self, url: str, secret: SecretStr, *, seconds: float = 10) -> None:
        self._url = url
        self._key = _key(secret)
        self._seconds = seconds

    async def notify(self, notification: Notification) -> Notified:
        """Post a notification; any 2xx means that the receiver accepted it."""
        body = notification.model_dump_json().encode()
        try:
            # A new client for each: there are few, and so no stale connection is used.
            async with httpx.AsyncClient(
                timeout=self._seconds, follow_redirects=False, trust_env=False
            ) as client:
                answer = await client.post(
                    self._url, content=body, headers=self._headers(notification.id, body)
                )
        except (httpx.HTTPError, OSError) as error:
            raise NotificationFailedError(
                f"{_host(self._url)} did not accept the notification: {error!r}"
            ) from error
        if answer.is_success:
            return Notified(id=notification.id, channel="webhook")
        answer_text = f"{_host(self._url)} answered {answer.status_code}: {answer.text[:_SAID]}"
        if answer.is_server_error or answer.status_code in _WORTH_ANOTHER_TRY:
            raise NotificationFailedError(answer_text)
        raise NotificationRefusedError(answer_text)

    def _headers(self, identity: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(time.time()))
        return {
            "content-type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self._key, identity, timestamp, body),
        }


def signature(key: bytes, identity: str, timestamp: str, body: bytes) -> str:
    """Return the value of ``webhook-signature``."""
    signed = b".".join((identity.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def _key(secret: SecretStr) -> bytes:
    text = secret.get_secret_value().removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise InvalidSettingError(
            f"the webhook's secret is not Base64 (after {_PREFIX})"
        ) from error
    if not key:
        raise InvalidSettingError("the webhook's secret is empty")
    return key


def _host(url: str) -> str:
    """Return the part of the address that may be shown; its path may be a secret."""
    return httpx.URL(url).host
