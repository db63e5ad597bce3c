"""Who is told: channels of the secrets or environment. Their addresses are never kept, shown or logged."""

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import unquote
from uuid import UUID
from zoneinfo import ZoneInfo

from analytics.config import AlertChannel, alert_channels

TIMEOUT_SECONDS = 10
SIGNATURE = "X-Usage-Signature"
_HIDDEN = "***"
_MAX_ERROR = 300
_WORD = 4
_LOGGERS = ("apprise", "urllib3")
"""Of libraries that log addresses and tokens, some as errors."""


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

    def is_for(self, kind: str, client_id: UUID | None, subject: str = "") -> bool:
        """Whether it is told of such an event; it is not told of itself that it fails."""
        if self.settings.kinds and kind not in self.settings.kinds:
            return False
        if kind == "channel" and subject == self.name:
            return False
        return self.client_ids is None or (client_id is not None and client_id in self.client_ids)

    def unknown_clients(self, known: Container[str]) -> str:
        """Says which of its clients there are not; empty where all are. `known` are names and ids."""
        unknown = [name for name in self.settings.clients or () if name.lower() not in known]
        return f'channel "{self.name}": no client is called "{unknown[0]}"' if unknown else ""

    def due_at(self, now: datetime) -> datetime:
        """When what happens now is told: after the quiet hours, or with the digest of the day."""
        local = now.astimezone(ZoneInfo(self.settings.time_zone))
        if self.settings.digest_at is not None:
            return _next(local, self.settings.digest_at)
        if self.settings.quiet is not None and self.is_quiet(now):
            return _next(local, self.settings.quiet[1])
        return now

    def is_quiet(self, now: datetime) -> bool:
        """Whether nobody wants to be told now, of what waits from before the quiet hours neither."""
        if self.settings.quiet is None:
            return False
        begin, end = self.settings.quiet
        clock = now.astimezone(ZoneInfo(self.settings.time_zone)).time()
        return begin <= clock < end if begin <= end else clock >= begin or clock < end

    def send(self, message: Message, now: datetime) -> None:
        """Delivers a message.

        Raises:
            NotDelivered: it was not taken.
        """
        for name in _LOGGERS:
            logging.getLogger(name).propagate = False
        try:
            if self.settings.webhook:
                self._post(message, now)
            else:
                self._notify(message)
        except NotDelivered:
            raise
        except Exception as error:  # whatever a library raises, the outbox goes on
            # Its text has the address in forms that nobody foresees; its kind says enough.
            raise NotDelivered(f"the channel cannot be reached ({_kind(error)})") from None

    def masked(self, text: str) -> str:
        """The text without any part of the channel's address, as it is written or as it is meant."""
        parts = {self.settings.secret}
        for address in (self.settings.url, self.settings.webhook):
            place, _, query = address.partition("://")[2].partition("?")
            parts |= {address, *re.split(r"[/:@,;#\s]+", place)}
            parts |= {pair.partition("=")[2] or pair for pair in re.split(r"[&;#]+", query)}
        parts |= {unquote(part) for part in parts} | {unquote(part.replace("+", " ")) for part in parts}
        for part in sorted(filter(None, parts), key=len, reverse=True):
            # A short one is hidden where it is a word: letters of other words are not it.
            begin, end = (r"(?<!\w)", r"(?!\w)") if len(part) < _WORD else ("", "")
            text = re.sub(f"{begin}{re.escape(part)}{end}", _HIDDEN, text, flags=re.IGNORECASE)
        return text[:_MAX_ERROR]

    def _post(self, message: Message, now: datetime) -> None:
        import requests

        body = json.dumps(
            {"title": message.title, "text": message.body, "events": list(message.events)}, default=str
        ).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "usage-analytics"}
        if self.settings.secret:
            headers[SIGNATURE] = signature(self.settings.secret, body, int(now.timestamp()))
        with requests.post(
            self.settings.webhook,
            data=body,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
            stream=True,  # what it answers beside the status is not waited for
        ) as answer:
            if not answer.ok or answer.is_redirect:
                raise NotDelivered(f"the webhook answered with status {answer.status_code}")

    def _notify(self, message: Message) -> None:
        import apprise

        told = apprise.Apprise()
        if not told.add(self.settings.url):
            raise NotDelivered("apprise does not take this address")
        result = told.notify(
            title=message.title,
            body=message.body,
            body_format=apprise.NotifyFormat.TEXT,  # else names of strangers are HTML in a mail
            timeout=2 * TIMEOUT_SECONDS,
        )
        if not result:
            last = [entry.message for entry in result.logs()][-1:] or [result.status.name.lower()]
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


def _kind(error: BaseException) -> str:
    """`ConnectTimeoutError`: the kind of an error, of the one that led to it where it says so."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return type(cause if isinstance(cause, BaseException) else error).__name__


def _next(local: datetime, clock: time) -> datetime:
    """The next moment at which the clock shows this time."""
    found = local.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
    if found <= local:
        found = (found + timedelta(days=1)).replace(hour=clock.hour, minute=clock.minute)
    return found
