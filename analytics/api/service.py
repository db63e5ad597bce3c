"""The work of the API, without HTTP: keys, answers, exports, and storing calls."""

import json
import logging
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

from cachetools import LRUCache

from analytics import queries
from analytics.access.keys import Key, find_key
from analytics.api.answers import AnalyticsRequest, analytics_json, period_at
from analytics.api.compression import compressed
from analytics.budgets.judging import Rule
from analytics.budgets.status import budgets_json, read_rules
from analytics.calls.make import make_call
from analytics.calls.store import Stored, store_bisecting, store_lines
from analytics.clients import Client, read_client
from analytics.database import Database, Query
from analytics.days import Days
from analytics.errors import AnalyticsError, DatabaseUnavailable, DataRefused, InvalidInput, SchemaMissing
from analytics.exports.calls import calls_csv
from analytics.exports.packages import dashboard_packages
from analytics.migrations import open_ready_database
from analytics.pricing.price_list import DEFAULT_PRICES, PriceList
from analytics.pricing.stored import load_price_list
from analytics.queries import NO_FILTERS, Filters, Period
from analytics.queries.alerts import AlertState, alert_state, load_alerts
from analytics.queries.so_far import usage_so_far

Status = Literal["stored", "updated", "duplicate", "rejected"]

_MAX_CLIENTS = 10_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CachedAnswer:
    """An answer as bytes, with its ETag."""

    body: bytes
    compressed: bytes | None
    """The same as gzip; None where it is small."""
    tag: str
    """The same for the same numbers; in quotes, as HTTP has it."""
    loaded_at: datetime


@dataclass(frozen=True, kw_only=True)
class RecordResult:
    """What happened to one call."""

    status: Status
    id: UUID | None = None
    """Of its row."""
    reason: str | None = None
    """Why it was rejected."""


class DatabaseAway(DatabaseUnavailable):
    """The database does not answer; `last_good_at` is when it last did."""

    def __init__(self, reason: str, last_good_at: datetime | None = None) -> None:
        super().__init__(reason)
        self.last_good_at = last_good_at


class Service:
    """The database behind the API. Every method blocks, and may be called by any thread."""

    def __init__(self, open_database: Callable[[], Database] = open_ready_database) -> None:
        self._open_database = open_database
        self._database: Database | None = None
        self._opening = threading.Lock()
        self._prices: PriceList = DEFAULT_PRICES
        self._last_good: LRUCache[UUID | None, datetime] = LRUCache(_MAX_CLIENTS)

    @property
    def database(self) -> Database:
        """The database, opened at the first use.

        Raises:
            ConfigurationError, DatabaseUnavailable, DatabaseError
        """
        with self._opening:
            if self._database is None:
                self._database = self._open_database()
            return self._database

    def find_key(self, text: str) -> Key | None:
        """The valid key with this text, else None."""
        return find_key(self.database, text)

    def answer(self, client_id: UUID, request: AnalyticsRequest) -> CachedAnswer:
        """The current numbers of a client.

        Raises:
            UnknownClient, DatabaseAway, SchemaMissing, DatabaseError
        """
        now = datetime.now(UTC)
        with self._reading(client_id):
            answer = analytics_json(self.database, client_id, request, now)
        self._last_good[client_id] = self._last_good[None] = now
        if answer.has_many_pending:
            threading.Thread(target=self.fold, daemon=True).start()
        return CachedAnswer(
            body=answer.body,
            compressed=compressed(answer.body),
            tag=f'"{sha256(answer.body).hexdigest()[:32]}"',
            loaded_at=now,
        )

    def client_and_days(self, client_id: UUID, period: Period, now: datetime) -> tuple[Client, Days]:
        """The client of a key, and its days of the period.

        Raises:
            InvalidInput: they are too many.
            UnknownClient, DatabaseAway, SchemaMissing, DatabaseError
        """
        with self._reading(client_id):
            client = read_client(self.database, client_id)
            found = period_at(self.database, client, period, now)
        return client, found.range(client.today(now))

    def client(self, client_id: UUID) -> Client:
        """The client of a key.

        Raises:
            UnknownClient, DatabaseAway, SchemaMissing, DatabaseError
        """
        with self._reading(client_id):
            return read_client(self.database, client_id)

    def calls(self, client_id: UUID, days: Days, filters: Filters = NO_FILTERS) -> Generator[bytes]:
        """Pieces of a CSV of all calls, one batch in memory. Phones are masked, here as in statement().

        Raises:
            DatabaseAway, SchemaMissing, DatabaseError: while it is read.
        """
        with self._reading(client_id):
            yield from calls_csv(self.database, client_id, days, is_unmasked=False, filters=filters)

    def focus(self, client: Client, days: Days, filters: Filters = NO_FILTERS) -> bytes:
        """Costs per day, model and meter, as a FOCUS file.

        Raises:
            ConfigurationError: a package is not installed.
            DatabaseAway, SchemaMissing, DatabaseError
        """
        with dashboard_packages():
            from analytics.exports.focus import focus_csv
        with self._reading(client.id):
            return focus_csv(self.database, client, days, filters=filters)

    def statement(self, client_id: UUID, days: Days, now: datetime, filters: Filters = NO_FILTERS) -> bytes:
        """A statement as PDF.

        Raises:
            ConfigurationError: a package is not installed.
            UnknownClient, DatabaseAway, SchemaMissing, DatabaseError
        """
        with dashboard_packages():
            from analytics.exports.statement import statement_pdf
        with self._reading(client_id):
            overview = queries.load_overview(self.database, client_id, Period.of(days), now, filters=filters)
        return statement_pdf(overview, generated_at=now)

    def budgets(self, client_id: UUID, now: datetime) -> bytes:
        """The budgets of a client that hold at this moment.

        Raises:
            DatabaseAway, SchemaMissing, DatabaseError
        """
        with self._reading(client_id):
            return f'{{"budgets":{budgets_json(self.database, client_id, now)}}}'.encode()

    def budget_rules(self, client_id: UUID) -> tuple[list[Rule], datetime]:
        """The budgets that a call of a client counts for, those of all clients too, and as of when.

        Raises:
            DatabaseAway, SchemaMissing, DatabaseError
        """
        now = datetime.now(UTC)
        with self._reading(client_id):
            return read_rules(self.database, client_id, now), now

    @contextmanager
    def _reading(self, client_id: UUID) -> Iterator[None]:
        """Around reads: DatabaseUnavailable becomes DatabaseAway."""
        try:
            yield
        except DatabaseUnavailable as error:
            raise DatabaseAway(str(error), self.last_good_at(client_id)) from error

    def usage_so_far(self, client_id: UUID) -> tuple[Client, list[Mapping[str, Any]]]:
        """The client, and all that it has used.

        Raises:
            UnknownClient, DatabaseAway, SchemaMissing, DatabaseError
        """
        with self._reading(client_id):
            return read_client(self.database, client_id), usage_so_far(self.database, client_id)

    def alerts(self, client_id: UUID) -> bytes:
        """The newest alerts of a client, as JSON.

        Raises:
            DatabaseAway, SchemaMissing, DatabaseError
        """
        with self._reading(client_id):
            known = load_alerts(self.database, client_id)
        listed = [
            {
                "id": str(alert.event_id),
                "kind": alert.kind,
                "subject": alert.subject,
                "title": alert.title,
                "lines": alert.lines,
                "link": alert.link,
                "threshold": float(alert.threshold),
                "period_at": alert.period_at.isoformat(),
                "occurred_at": alert.occurred_at.isoformat(),
                "resolved_at": alert.resolved_at and alert.resolved_at.isoformat(),
                "acknowledged_at": alert.acknowledged_at and alert.acknowledged_at.isoformat(),
                "is_open": alert.is_open,
            }
            for alert in known
        ]
        return json.dumps({"alerts": listed}).encode()

    def alert_state(self) -> AlertState | None:
        """How looking and telling goes; None where the database does not say."""
        try:
            return alert_state(self.database)
        except AnalyticsError as error:
            log.warning("the state of alerts is not known: %s", error)
            return None

    def last_good_at(self, client_id: UUID | None = None) -> datetime | None:
        """When this process last read numbers of the client, or of any client."""
        return self._last_good.get(client_id)

    def store(self, client_id: UUID, described: Sequence[Mapping[str, Any] | str]) -> list[RecordResult]:
        """Stores calls: each the arguments of make_call(), or the reason why it is rejected.

        The results are in the order of the calls. Every valid call is stored.

        Raises:
            DatabaseUnavailable, SchemaMissing, DatabaseError: not all calls were stored; sent again with the
                same ids none is stored twice.
        """
        results: dict[int, RecordResult] = {}
        if not described:
            return []

        def store(numbers: Sequence[int]) -> Any:
            lines: dict[int, str] = {}
            with self.database.transaction() as connection:
                prices = self._prices_in(connection)
                for number in numbers:
                    arguments = described[number]
                    try:
                        if isinstance(arguments, str):
                            raise InvalidInput(arguments)
                        call = make_call(prices, client_id, **arguments, must_be_known=True)
                    except InvalidInput as error:
                        results[number] = RecordResult(status="rejected", reason=str(error))
                    else:
                        lines[number] = call.line
                        results[number] = RecordResult(status="stored", id=call.id)
                stored = store_lines(connection, lines.values())
            if stored.unknown_clients:
                # The cache of keys outlives the client.
                reason = f"no client has the id {client_id}"
                for number in lines:
                    results[number] = RecordResult(status="rejected", reason=reason)
            else:
                reasons = {call_id: why for _, call_id, why in stored.of_summed_days}
                for number in lines:
                    if (call_id := results[number].id) and (why := reasons.get(call_id)):
                        results[number] = RecordResult(status="rejected", reason=why)
                taken = [number for number in lines if results[number].status != "rejected"]
                self._mark_repeats(results, taken, stored)
            return stored

        for numbers, result in store_bisecting(range(len(described)), store):
            if isinstance(result, DataRefused):
                # The address of the database is not for clients.
                reason = f"the database refused it: {str(result).partition(': ')[2]}"
                results[numbers[0]] = RecordResult(status="rejected", reason=reason)
        return [results[number] for number in range(len(described))]

    def _mark_repeats(self, results: dict[int, RecordResult], numbers: Sequence[int], stored: Stored) -> None:
        seen: set[UUID] = set(stored.known_before)
        updated = set(stored.updated)
        for number in numbers:
            line_id = results[number].id
            assert line_id is not None
            call_id = stored.row_ids.get(line_id, line_id)
            status: Status = "stored"
            if call_id in seen:
                status = "updated" if call_id in updated else "duplicate"
            seen.add(call_id)
            results[number] = RecordResult(status=status, id=call_id)

    def _prices_in(self, connection: Any) -> PriceList:
        found = connection.execute("select revision::text from price_list").fetchone()
        if found is None or found[0] != self._prices.revision:
            self._prices = load_price_list(connection)
        return self._prices

    def fold(self) -> None:
        """Folds pending sums. Numbers are right without it."""
        try:
            self.database.fold()
        except AnalyticsError as error:
            log.warning("could not fold; numbers stay right, reads get slower: %s", error)

    def not_ready(self) -> str | None:
        """Why requests would fail now, without details; None if they would not."""
        try:
            # Reads no row: anybody may ask this, as often as they like.
            self.database.read(Query(statement="select from api_keys, price_list, usage_daily limit 0"))
        except SchemaMissing:
            return 'the database is not set up: run "python -m analytics migrate"'
        except AnalyticsError as error:
            log.warning("not ready: %s", error)
            return "the database does not answer"
        return None

    def close(self) -> None:
        """Closes idle connections."""
        if self._database is not None:
            self._database.close()
