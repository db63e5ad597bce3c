"""Looks every minute, in the background of a server, and delivers what is due."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any
from uuid import UUID

from analytics.alerts.channels import read_channels
from analytics.alerts.events import ALWAYS
from analytics.alerts.looking import EVERY, check, has_budgets
from analytics.alerts.outbox import deliver
from analytics.background import Repeated
from analytics.clients import list_clients
from analytics.config import alert_channels, dashboard_url
from analytics.database import Database

_SLOW_EVERY = timedelta(minutes=10)
"""Silence, prices, unusual days, and where all clients together are going, are looked at less often."""
_SLOW_AT_ONCE = 20


class EveryMinute(Repeated):
    """Looks every minute, and delivers; does not wait for a message that is on its way when it is stopped."""

    first_after = timedelta(seconds=15)
    every = EVERY
    if_it_fails = "alerts could not be checked"

    def __init__(
        self, open_database: Callable[[], Database], secrets: Callable[[], Mapping[str, Any] | None]
    ) -> None:
        super().__init__()
        self._open_database, self._secrets = open_database, secrets
        self._slow_at: dict[UUID | None, datetime] = {}
        self._database: Database | None = None

    def look(self, now: datetime) -> None:
        """Looks once, and delivers."""
        if self._database is None:
            self._database = self._open_database()
        secrets = self._secrets()
        # The common case is one question: nobody has a budget, nor wants to be told.
        if not alert_channels(secrets) and not has_budgets(self._database):
            return
        # Who crossed a budget is told before it is looked at what takes long.
        if check(self._database, now, secrets=secrets, is_slow_due=False, is_forced=False) is not None:
            self._deliver(self._database, secrets)
            if slow := self._slow_due(self._database, now):
                check(self._database, now, secrets=secrets, only=slow)
                self._slow_at.update(dict.fromkeys(slow, now))
        self._deliver(self._database, secrets)

    def _slow_due(self, database: Database, now: datetime) -> set[UUID | None]:
        """Whom to look at slowly now: of many some each minute, so that the next look is not late."""
        everybody = (None, *(client.id for client in list_clients(database)))
        due = [each for each in everybody if now - self._slow_at.get(each, ALWAYS) >= _SLOW_EVERY]
        due.sort(key=lambda each: self._slow_at.get(each, ALWAYS))
        return set(due[: max(_SLOW_AT_ONCE, ceil(len(everybody) / (_SLOW_EVERY / EVERY)))])

    def _deliver(self, database: Database, secrets: Mapping[str, Any] | None) -> None:
        names = {
            name: each.id for each in list_clients(database) for name in (each.name.lower(), str(each.id))
        }
        if channels := read_channels(secrets, names):
            deliver(database, channels, datetime.now(UTC), dashboard_url(secrets))
