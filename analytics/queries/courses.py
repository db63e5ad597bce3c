"""What charts over time show: usage by what it is grouped by, beside an earlier time. One round trip each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from analytics.database import Database, Query, Rows
from analytics.days import EARLIEST, Days
from analytics.queries.filters import NO_FILTERS, Filters
from analytics.queries.groups import Bucket, Group, Span, spans_of, spans_query
from analytics.queries.periods import DAILY_CHART_DAYS, EVOLUTION_WEEKS
from analytics.queries.sql_function import Unit

if TYPE_CHECKING:
    import pandas as pd

MOST_BARS = 92
"""Charts of more days have a bar per month."""
_ALL_SOURCES = 1_000

# Of how many calls, and whether in these days, is not asked: that reads all sums by tag.
_TAG_KEYS = """
    select distinct key
    from (
        select tags from tag_sets where client_id = %(client_id)s order by id desc limit 1000
    ) as newest
    cross join lateral jsonb_object_keys(tags) as pair (key)
    where shown_name(key, null) = key
    order by key
"""


@dataclass(frozen=True, kw_only=True)
class Courses:
    """What the charts of the Overview show. All frames are USAGE_BY_GROUP."""

    group: Group
    bucket: Bucket
    """How long the buckets of `bars` are: a day, or a month in a long period."""
    weeks: "pd.DataFrame"
    """Per week: at least twelve, up to the last day of the period."""
    bars: "pd.DataFrame"
    """Per day or month: the period, and what lies before it where it is short."""
    whole: "pd.DataFrame"
    """The period in one bucket."""
    days: "pd.DataFrame"
    """Per day and provider, as far back as any chart compares: see before()."""
    tag_keys: Sequence[str]
    """Keys of the client's newest tags, in the order of the alphabet."""

    def before(self, first: date, last: date) -> "pd.DataFrame":
        """The rows of `days` from one day to another."""
        import pandas as pd  # see SqlFunction.frame()

        at = self.days["bucket_at"]
        rows: pd.DataFrame = self.days[at.between(pd.Timestamp(first), pd.Timestamp(last))]
        return rows


def courses_queries(
    client_id: UUID, days: Days, group: Group, order: Unit, filters: Filters = NO_FILTERS
) -> list[Query]:
    """What courses_of() takes the answers of."""
    spans = _Spans.of(days)
    shown = [
        Span(days=spans.weeks, bucket="week"),
        Span(days=spans.bars, bucket=spans.bucket),
        Span(days=days, bucket="all"),
    ]
    by_provider = Span(days=spans.days, bucket="day", top=_ALL_SOURCES)
    return [
        *(
            [spans_query(client_id, [*shown, by_provider], "provider", order, filters)]
            if group == "provider"
            else [
                spans_query(client_id, shown, group, order, filters),
                spans_query(client_id, [by_provider], "provider", order, filters),
            ]
        ),
        Query(statement=_TAG_KEYS, parameters={"client_id": client_id}),
    ]


def courses_of(answers: Sequence[Rows], days: Days, group: Group) -> Courses:
    """The answers of courses_queries()."""
    *usage, tag_keys = answers
    counts = (4,) if group == "provider" else (3, 1)
    weeks, bars, whole, all_days = (
        frame for rows, count in zip(usage, counts, strict=True) for frame in spans_of(rows, count)
    )
    return Courses(
        group=group,
        bucket=_Spans.of(days).bucket,
        weeks=weeks,
        bars=bars,
        whole=whole,
        days=all_days,
        tag_keys=[key for [key] in tag_keys.records],
    )


def usage_beside(
    database: Database,
    client_id: UUID,
    days: Days,
    before: Days,
    group: Group,
    bucket: Bucket,
    *,
    order: Unit,
    filters: Filters = NO_FILTERS,
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """USAGE_BY_GROUP of these days, and that of others by provider, to compare their sums."""
    queries = [
        spans_query(client_id, [Span(days=span, bucket=bucket)], by, order, filters)
        for span, by in ((days, group), (before, "provider"))
    ]
    now, earlier = database.read(*queries, client_id=client_id)
    return spans_of(now, 1)[0], spans_of(earlier, 1)[0]


@dataclass(frozen=True, kw_only=True)
class _Spans:
    """The days of each frame of Courses."""

    weeks: Days
    bars: Days
    bucket: Bucket
    days: Days

    @classmethod
    def of(cls, days: Days) -> "_Spans":
        monday = days.last - timedelta(days=days.last.weekday())
        first_monday = days.first - timedelta(days=days.first.weekday())
        weeks = Days(
            max(min(first_monday, monday - timedelta(weeks=EVOLUTION_WEEKS - 1)), EARLIEST), days.last
        )
        bars = Days.until(days.last, max(len(days), DAILY_CHART_DAYS))
        last_month = (days.last.replace(day=1) - timedelta(days=1)).replace(day=1)
        return cls(
            weeks=weeks,
            bars=bars,
            bucket="day" if len(bars) <= MOST_BARS else "month",
            days=Days(max(min(weeks.before.first, days.before.first, last_month), EARLIEST), days.last),
        )
