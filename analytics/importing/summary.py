"""What files come to before they are loaded: sums per day and model, and what would count twice."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from analytics.calls.row import requests_in, row_of, usage_of
from analytics.database import Database, Query
from analytics.formatting import counted
from analytics.importing.plan import ImportPlan
from analytics.importing.rows import ReadRow

# Of one client and source: rows of these days that other doors, or other reports, told of.
_BESIDE = """
    select count(distinct (created_at at time zone 'UTC')::date), min(created_at), max(created_at)
    from usage_logs
    where
        client_id = %(client_id)s
        and source = %(source)s
        and created_at >= %(first_at)s
        and created_at < %(end_at)s
        and (created_at at time zone 'UTC')::date = any(%(days)s::date[])
        and metadata ->> 'report' is distinct from %(report)s
"""


class DayAndModel(NamedTuple):
    day: date
    source: str
    model: str | None


@dataclass(kw_only=True)
class Sums:
    requests: int = 0
    unpriced: int = 0
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)


@dataclass(kw_only=True)
class Summary:
    """The sums of rows: a call that comes again counts once, with the most tokens that are told of it."""

    timezone: ZoneInfo
    by_day_and_model: dict[DayAndModel, Sums] = field(default_factory=dict)
    read: int = 0
    repeated: int = 0
    left_out: int = 0
    rejected: list[ReadRow] = field(default_factory=list)
    """The first ones."""
    rejected_count: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    days: dict[tuple[str | None, str], set[date]] = field(default_factory=dict)
    """Format of a report, or None of single calls, and source -> days of UTC."""
    _seen: dict[UUID, tuple[DayAndModel, Sums]] = field(default_factory=dict)

    @property
    def total(self) -> Sums:
        total = Sums()
        for sums in self.by_day_and_model.values():
            _add(total, sums)
        return total

    def add(self, rows: Iterable[ReadRow]) -> "Summary":
        for row in rows:
            self.read += 1
            if row.call is not None:
                self._add_call(row, row.call.line, row.call.id)
            elif row.reason:
                self.rejected_count += 1
                if len(self.rejected) < _SHOWN_REJECTS:
                    self.rejected.append(row)
            elif row.passed_over:
                self.passed_over[row.passed_over] += 1
            else:
                self.left_out += 1
        return self

    def _add_call(self, read: ReadRow, line: str, call_id: UUID) -> None:
        row = row_of(line)
        key = DayAndModel(row.created_at.astimezone(self.timezone).date(), row.source, row.model)
        requests = requests_in(row.metadata or {}, usage_of(row)).number
        sums = Sums(
            requests=requests,
            unpriced=requests if row.cost_basis == "unpriced" else 0,
            tokens=row.total_tokens,
            cost_usd=row.cost_usd,
        )
        known = self._seen.get(call_id)
        if known is not None:
            self.repeated += 1
            if known[1].tokens >= sums.tokens:
                return
            _add(self.by_day_and_model[known[0]], known[1], sign=-1)
        self._seen[call_id] = (key, sums)
        _add(self.by_day_and_model.setdefault(key, Sums()), sums)
        report = read.plan.format.name if is_report(read.plan) and read.plan.format else None
        self.days.setdefault((report, row.source), set()).add(row.created_at.astimezone(UTC).date())


_SHOWN_REJECTS = 5


def is_report(plan: ImportPlan) -> bool:
    """Whether the file tells sums of what other doors may have told call by call."""
    return plan.format is not None and plan.format.is_report


def doubled(database: Database, client_id: UUID, summary: Summary) -> Iterator[str]:
    """What would count twice: other calls of the source on days of a report, there already or to come."""
    for (report, source), days in summary.days.items():
        if report is None:
            continue
        for (other, of), others in summary.days.items():
            both = days & others
            # Of two reports it is told once.
            if of == source and both and (other is None or other > report):
                yield f"{source} is in {report} and in {other or 'single calls'} on {_days(both)}"
        parameters = {
            "client_id": client_id,
            "source": source,
            "report": report,
            "days": sorted(days),
            "first_at": datetime.combine(min(days), datetime.min.time(), UTC),
            "end_at": datetime.combine(max(days) + timedelta(days=1), datetime.min.time(), UTC),
        }
        [rows] = database.read(Query(statement=_BESIDE, parameters=parameters))
        number, first_at, last_at = rows.records[0]
        if number:
            span = f"{first_at.astimezone(UTC):%Y-%m-%d} to {last_at.astimezone(UTC):%Y-%m-%d}"
            yield f"{source} has other calls on {counted(number, 'day')} of {report}, from {span} (UTC)"


def _days(days: set[date]) -> str:
    return f"{counted(len(days), 'day')}, from {min(days)} to {max(days)} (UTC)"


def _add(to: Sums, sums: Sums, *, sign: int = 1) -> None:
    to.requests += sign * sums.requests
    to.unpriced += sign * sums.unpriced
    to.tokens += sign * sums.tokens
    to.cost_usd += sign * sums.cost_usd
