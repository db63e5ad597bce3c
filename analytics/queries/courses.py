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
from analytics.queries.periods import DAILY_CHART_DAYS, EVOLUTION_WEEKS, Grain, grains_of
from analytics.queries.sql_function import Unit

if TYPE_CHECKING:
    import pandas as pd

MOST_BARS = 92
"""Charts of more days have a bar per month, unless another grain is chosen."""
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
class Grouping:
    """What the charts of the Overview are asked for."""

    days: Days
    """The period."""
    before: Days
    """The days that it compares with."""
    group: Group = "provider"
    grain: Grain | None = None
    """How long the buckets of its bars are; None for the usual one."""

    @property
    def bucket(self) -> Grain:
        """The grain that is chosen, where the days have room for it, or else the usual one."""
        usual: Grain = "day" if len(self._month_or_more) <= MOST_BARS else "month"
        return self.grain if self.grain in grains_of(self.days) else usual

    @property
    def bars(self) -> Days:
        """The days of its bars: the period, and what lies before it where it is short; not of hours."""
        return self.days if self.bucket == "hour" else self._month_or_more

    @property
    def compares_buckets(self) -> bool:
        """Whether its bars compare with buckets of their own: days do with the days of Courses."""
        return self.bucket != "day" and self.bars == self.days

    @property
    def _month_or_more(self) -> Days:
        return Days.until(self.days.last, max(len(self.days), DAILY_CHART_DAYS))


@dataclass(frozen=True, kw_only=True)
class Courses:
    """What the charts of the Overview show. All frames are USAGE_BY_GROUP."""

    asked: Grouping
    weeks: "pd.DataFrame"
    """Per week: at least twelve, up to the last day of the period."""
    bars: "pd.DataFrame"
    """Per bucket of what was asked: the period, and what lies before it where it is short."""
    bars_before: "pd.DataFrame | None"
    """Per bucket and provider: the days that the period compares with; see compares_buckets."""
    whole: "pd.DataFrame"
    """The period in one bucket."""
    days: "pd.DataFrame"
    """Per day and provider, as far back as any chart compares: see before()."""
    tag_keys: Sequence[str]
    """Keys of the client's newest tags, in the order of the alphabet."""

    @property
    def group(self) -> Group:
        """What the charts group by."""
        return self.asked.group

    def before(self, first: date, last: date) -> "pd.DataFrame":
        """The rows of `days` from one day to another."""
        import pandas as pd  # see SqlFunction.frame()

        at = self.days["bucket_at"]
        rows: pd.DataFrame = self.days[at.between(pd.Timestamp(first), pd.Timestamp(last))]
        return rows


def courses_queries(
    client_id: UUID, asked: Grouping, order: Unit, filters: Filters = NO_FILTERS
) -> list[Query]:
    """What courses_of() takes the answers of."""
    spans = _Spans.of(asked.days)
    shown = [
        Span(days=spans.weeks, bucket="week"),
        Span(days=asked.bars, bucket=asked.bucket),
        Span(days=asked.days, bucket="all"),
    ]
    by_provider = [Span(days=spans.days, bucket="day", top=_ALL_SOURCES)]
    if asked.compares_buckets:
        by_provider.append(Span(days=asked.before, bucket=asked.bucket, top=_ALL_SOURCES))
    return [
        *(
            [spans_query(client_id, [*shown, *by_provider], "provider", order, filters)]
            if asked.group == "provider"
            else [
                spans_query(client_id, shown, asked.group, order, filters),
                spans_query(client_id, by_provider, "provider", order, filters),
            ]
        ),
        Query(statement=_TAG_KEYS, parameters={"client_id": client_id}),
    ]


def courses_of(answers: Sequence[Rows], asked: Grouping) -> Courses:
    """The answers of courses_queries()."""
    *usage, tag_keys = answers
    before = 1 + asked.compares_buckets
    counts = (3 + before,) if asked.group == "provider" else (3, before)
    weeks, bars, whole, all_days, *bars_before = (
        frame for rows, count in zip(usage, counts, strict=True) for frame in spans_of(rows, count)
    )
    return Courses(
        asked=asked,
        weeks=weeks,
        bars=bars,
        bars_before=bars_before[0] if bars_before else None,
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
    """The days of the frames of Courses that do not depend on the grain."""

    weeks: Days
    days: Days

    @classmethod
    def of(cls, days: Days) -> "_Spans":
        monday = days.last - timedelta(days=days.last.weekday())
        first_monday = days.first - timedelta(days=days.first.weekday())
        weeks = Days(
            max(min(first_monday, monday - timedelta(weeks=EVOLUTION_WEEKS - 1)), EARLIEST), days.last
        )
        last_month = (days.last.replace(day=1) - timedelta(days=1)).replace(day=1)
        return cls(
            weeks=weeks,
            days=Days(max(min(weeks.before.first, days.before.first, last_month), EARLIEST), days.last),
        )
