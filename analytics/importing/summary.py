"""What files come to before they are loaded: sums per day and model, and what would count twice."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from analytics.calls.row import BUCKET, requests_in, row_of, usage_of
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


# Of one client, source and report: how its rows of these days are grouped. Those from before it was kept are
# left out: nobody knows.
_GROUPED = """
    select distinct
        bucket -> 'by' as by,
        extract(epoch from (bucket ->> 'until_at')::timestamptz - (bucket ->> 'from_at')::timestamptz)::bigint
    from (
        select metadata -> 'bucket' as bucket
        from usage_logs
        where
            client_id = %(client_id)s
            and source = %(source)s
            and created_at >= %(first_at)s
            and created_at < %(end_at)s
            and (created_at at time zone 'UTC')::date = any(%(days)s::date[])
            and metadata ->> 'report' = %(report)s
    ) as reported
    where jsonb_typeof(bucket -> 'by') = 'array'
"""


class Grouping(NamedTuple):
    """What a report is grouped by."""

    by: frozenset[str]
    seconds: frozenset[int]
    """How long its buckets are."""

    def __str__(self) -> str:
        words = {3600: "hour", 86_400: "day", 60: "minute"}
        spans = [words.get(each, f"{each:,} seconds") for each in sorted(self.seconds)]
        return ", ".join([*spans, *sorted(self.by)])


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
    groupings: dict[tuple[str, str, str], tuple[Grouping, set[date]]] = field(default_factory=dict)
    """Format of a report, source and file -> how it is grouped, and its days of UTC."""
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
        day = row.created_at.astimezone(UTC).date()
        self.days.setdefault((report, row.source), set()).add(day)
        if report is not None and (grouping := _grouping_of(row.metadata or {})) is not None:
            place = (report, row.source, read.plan.file.source.name)
            known_by, days = self.groupings.get(place, (Grouping(frozenset(), frozenset()), set()))
            both = Grouping(known_by.by | grouping.by, known_by.seconds | grouping.seconds)
            self.groupings[place] = both, days | {day}


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
        parameters = _of_days(client_id, source, report, days)
        [rows] = database.read(Query(statement=_BESIDE, parameters=parameters))
        number, first_at, last_at = rows.records[0]
        if number:
            span = f"{first_at.astimezone(UTC):%Y-%m-%d} to {last_at.astimezone(UTC):%Y-%m-%d}"
            yield f"{source} has other calls on {counted(number, 'day')} of {report}, from {span} (UTC)"


def regrouped(database: Database, client_id: UUID, summary: Summary) -> Iterator[str]:
    """Reports of the same usage, grouped in two ways: of other files, and of what is there already."""
    seen: list[tuple[tuple[str, str, str], Grouping, set[date]]] = []
    for (report, source, name), (grouping, days) in summary.groupings.items():
        for other, of_other, other_days in seen:
            both = days & other_days
            if other[:2] == (report, source) and both and of_other != grouping:
                yield f"{name} has {report} by {grouping}, and {other[2]} by {of_other}, on {_days(both)}"
        seen.append(((report, source, name), grouping, days))
        parameters = _of_days(client_id, source, report, days)
        [rows] = database.read(Query(statement=_GROUPED, parameters=parameters))
        there = [(frozenset(by), seconds) for by, seconds in rows.records]
        if there:
            stored = Grouping(
                frozenset().union(*(by for by, _ in there)),
                frozenset(seconds for _, seconds in there if seconds is not None),
            )
            if stored != grouping:
                yield (
                    f"{name} has {report} by {grouping}, and what was imported before is by {stored}, on "
                    f"{_days(days)}"
                )


def _grouping_of(metadata: Mapping[str, Any]) -> Grouping | None:
    held = metadata.get(BUCKET)
    if not isinstance(held, Mapping) or not isinstance(held.get("by"), list):
        return None
    span: set[int] = set()
    if "from_at" in held and "until_at" in held:
        begin, end = (datetime.fromisoformat(held[name]) for name in ("from_at", "until_at"))
        span.add(round((end - begin).total_seconds()))
    return Grouping(frozenset(map(str, held["by"])), frozenset(span))


def _of_days(client_id: UUID, source: str, report: str, days: set[date]) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "source": source,
        "report": report,
        "days": sorted(days),
        "first_at": datetime.combine(min(days), datetime.min.time(), UTC),
        "end_at": datetime.combine(max(days) + timedelta(days=1), datetime.min.time(), UTC),
    }


def _days(days: set[date]) -> str:
    return f"{counted(len(days), 'day')}, from {min(days)} to {max(days)} (UTC)"


def _add(to: Sums, sums: Sums, *, sign: int = 1) -> None:
    to.requests += sign * sums.requests
    to.unpriced += sign * sums.unpriced
    to.tokens += sign * sums.tokens
    to.cost_usd += sign * sums.cost_usd
