"""Who is told: channels of the secrets or environment. Their addresses are never kept, shown or logged."""

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from analytics.config import AlertChannel, alert_channels

TIMEOUT_SECONDS = 10
SIGNATURE = "X-Usage-Signature"
_HIDDEN = "***"
_SHORTEST_SECRET = 4
_MAX_ERROR = 300
_OF_BUDGETS = ("actual", "forecast")

log = logging.getLogger(__name__)


class NotDelivered(Exception):
    """A channel did not take a message; the text says why, without any part of its address."""


@dataclass(frozen=True)
class Message:
    """What is told: a title, the text below it, and the events as data for a webhook."""

    title: str
    body: str
    events: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Channel:
    """One way to tell somebody."""

    settings: AlertChannel
    client_ids: frozenset[UUID] | None = None
    """Of whom it is told; None: of all."""

    @property
    def name(self) -> str:
        return self.settings.name

    def is_for(self, kind: str, client_id: UUID | None) -> bool:
        """Whether it is told of such an event; it is not told of itself that it fails."""
        if self.settings.kinds and kind not in self.settings.kinds:
            return False
        return self.client_ids is None or (client_id is not None and client_id in self.client_ids)

    def due_at(self, now: datetime) -> datetime:
        """When what happens now is told: after the quiet hours, or with the digest of the day."""
        zone = ZoneInfo(self.settings.time_zone)
        local = now.astimezone(zone)
        if self.settings.digest_at is not None:
            return _next(local, self.settings.digest_at)
        if self.settings.quiet is not None:
            begin, end = self.settings.quiet
            clock = local.time()
            is_quiet = begin <= clock < end if begin <= end else clock >= begin or clock < end
            if is_quiet:
                return _next(local, end)
        return now

    def send(self, message: Message, now: datetime) -> None:
        """Delivers a message.

        Raises:
            NotDelivered: it was not taken.
        """
        try:
            if self.settings.webhook:
                self._post(message, now)
            else:
                self._notify(message)
        except NotDelivered:
            raise
        except Exception as error:  # whatever a library raises, the outbox goes on
            raise NotDelivered(self.masked(f"{type(error).__name__}: {error}")) from None

    def masked(self, text: str) -> str:
        """The text without any part of the channel's address."""
        secrets = re.split(r"[/:@?&=+,;\s]+", f"{self.settings.url} {self.settings.webhook}")
        for secret in sorted({self.settings.secret, *secrets}, key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET and secret not in (
                "http",
                "https",
                "mailto",
                "mailtos",
                "json",
            ):
                text = re.sub(re.escape(secret), _HIDDEN, text, flags=re.IGNORECASE)
        return text[:_MAX_ERROR]

    def _post(self, message: Message, now: datetime) -> None:
        import requests

        body = json.dumps(
            {"title": message.title, "text": message.body, "events": list(message.events)}, default=str
        ).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "usage-analytics"}
        if self.settings.secret:
            headers[SIGNATURE] = signature(self.settings.secret, body, int(now.timestamp()))
        answer = requests.post(
            self.settings.webhook,
            data=body,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )
        if not answer.ok or answer.is_redirect:
            raise NotDelivered(f"the webhook answered with status {answer.status_code}")

    def _notify(self, message: Message) -> None:
        import apprise

        told = apprise.Apprise()
        if not told.add(self.settings.url):
            raise NotDelivered("apprise does not know this kind of address")
        with apprise.LogCapture(level=logging.WARNING) as said:  # type: ignore[no-untyped-call]
            is_taken = told.notify(title=message.title, body=message.body)
            reason = said.getvalue()
        if not is_taken:
            last = reason.strip().splitlines()[-1:] or ["without a reason"]
            raise NotDelivered(self.masked(f"the channel did not take it: {last[0]}"))


def read_channels(
    secrets: Mapping[str, Any] | None = None, client_ids: Mapping[str, UUID] | None = None
) -> list[Channel]:
    """The channels of the secrets and the environment; `client_ids` are all clients by name and by id.

    Raises:
        ConfigurationError: a setting is not valid.
    """
    found = []
    for settings in alert_channels(secrets):
        only = None
        if settings.clients is not None:
            known = client_ids or {}
            only = frozenset(known[name.lower()] for name in settings.clients if name.lower() in known)
        found.append(Channel(settings, only))
    return found


def test_channel(channel: Channel, now: datetime) -> str | None:
    """Sends a message that says that it is a test. Why it was not taken; None if it was."""
    title = "Usage analytics: a test of this channel"
    try:
        channel.send(Message(title, "Alerts will arrive here.", [{"kind": "test", "title": title}]), now)
    except NotDelivered as error:
        return str(error)
    return None


def signature(secret: str, body: bytes, moment: int) -> str:
    """`t=<seconds since 1970>,v1=<HMAC-SHA256 of "t.body" in hexadecimal>`, as Stripe signs its webhooks."""
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={signed}"


def _next(local: datetime, clock: time) -> datetime:
    """The next moment at which the clock shows this time."""
    found = local.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
    if found <= local:
        found = (found + timedelta(days=1)).replace(hour=clock.hour, minute=clock.minute)
    return found
