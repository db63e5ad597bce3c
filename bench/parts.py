"""The parts of the benchmark: what each loads, measures and prints.

Each part has a block of its name in docs/speed.md, or in the document that it names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy.engine import URL

from bench import alerting, api, dashboard, exports, forecasts, importing, report, switching, visitors
from bench.calls import measure_calls
from bench.place import Place, load, load_until_today
from bench.reading import measure_reading
from bench.shipping import measure_shipping
from bench.writing import measure_writing

SERVED_ROWS = 100_000  # Pages and answers are no larger with more; what more rows cost a query, reading says.
QUICK_ROWS = 100_000


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured."""

    rows: Sequence[int]
    """Sizes of usage_logs, for reading."""
    is_quick: bool
    served_rows: int = SERVED_ROWS
    """The size of usage_logs for what is served."""
    loaded: URL | None = None
    """Where the data is already; None: it is loaded."""
    sessions: int | None = None
    minutes: int | None = None
    """How many visitors there are, and for how long; None: as many as effort says."""

    def of(self, whole: int, quick: int) -> int:
        """A number of repetitions or rows."""
        return quick if self.is_quick else whole


@dataclass(frozen=True, kw_only=True)
class Case:
    """One size of usage_logs. `is_spread`: the worst case, in which every conversation lives all days."""

    rows: int
    is_spread: bool = False


@dataclass(frozen=True, kw_only=True)
class Part:
    """Measured once for each case, in a new database each time."""

    measure: Callable[[Place, Effort, Case], Any]
    table: Callable[[Sequence[Any]], str]
    """Markdown, of the results of all cases."""
    document: str = "speed"
    """Which one in docs/ has its block."""
    prepare: Callable[[psycopg.Connection, Case], None] = lambda connection, case: None
    cases: Callable[[Effort], Sequence[Case]] = lambda effort: [Case(rows=0)]


def _reading_cases(effort: Effort) -> Sequence[Case]:
    sizes = [Case(rows=rows) for rows in effort.rows]
    return (
        sizes if effort.is_quick or effort.loaded else [*sizes, Case(rows=max(effort.rows), is_spread=True)]
    )


def _measure_reading(place: Place, effort: Effort, case: Case) -> report.Reading:
    times = measure_reading(place.database, place.connection, place.directory, effort.of(9, 3))
    return report.Reading(rows=case.rows, is_spread=case.is_spread, times=times)


def _served(effort: Effort) -> Sequence[Case]:
    return [Case(rows=effort.served_rows)]


def _load_served(connection: psycopg.Connection, case: Case) -> None:
    load_until_today(connection, case.rows)


PARTS = {
    "reading": Part(
        cases=_reading_cases,
        prepare=lambda connection, case: load(connection, case.rows, is_spread=case.is_spread),
        measure=_measure_reading,
        table=report.reading_table,
    ),
    "writing": Part(
        measure=lambda place, effort, _: measure_writing(place.database, place.connection, effort.of(5, 1)),
        table=lambda results: report.writing_table(*results),
    ),
    "calls": Part(
        measure=lambda place, effort, _: measure_calls(
            place.database, place.connection, place.directory, effort.of(5, 1)
        ),
        table=lambda results: report.calls_table(*results),
    ),
    "shipping": Part(
        measure=lambda place, effort, _: measure_shipping(
            place.database, place.connection, place.directory, effort.of(5, 1)
        ),
        table=lambda results: report.shipping_table(*results),
    ),
    "api": Part(
        cases=_served,
        prepare=_load_served,
        measure=lambda place, effort, _: api.measure_api(place.database, effort.of(api.BLOCKS, 5)),
        table=lambda results: report.api_table(*results),
    ),
    "dashboard": Part(
        cases=_served,
        prepare=_load_served,
        measure=lambda place, effort, _: dashboard.measure_dashboard(
            place.database, place.directory, effort.of(len(dashboard.PERIODS), 1)
        ),
        table=lambda results: report.dashboard_table(*results),
    ),
    "visitors": Part(
        cases=_served,
        prepare=_load_served,
        measure=lambda place, effort, _: visitors.measure_visitors(
            place.database,
            place.directory,
            effort.sessions or effort.of(visitors.SESSIONS, 20),
            effort.minutes or effort.of(visitors.MINUTES, 2),
        ),
        table=lambda results: report.visitors_table(*results),
    ),
    "switching": Part(
        cases=_served,
        prepare=_load_served,
        measure=lambda place, effort, _: switching.measure_switching(
            place.database, place.directory, effort.of(switching.ROUNDS, 3)
        ),
        table=lambda results: report.switching_table(*results),
    ),
    "importing": Part(
        measure=lambda place, effort, _: importing.measure_importing(
            place.database, place.connection, place.directory, effort.of(importing.ROWS, 50_000)
        ),
        table=lambda results: importing.importing_table(*results),
    ),
    "exports": Part(
        measure=lambda place, effort, _: exports.measure_exports(
            place.database, place.connection, place.directory, effort.of(exports.ROWS, QUICK_ROWS)
        ),
        table=lambda results: report.exports_table(*results),
    ),
    "forecast": Part(
        measure=lambda place, effort, _: forecasts.measure_forecasts(effort.of(7, 28)),
        table=lambda results: forecasts.table(*results),
        document="budgets",
    ),
    "alerts": Part(
        measure=lambda place, effort, _: alerting.measure_alerting(
            place.database, place.connection, effort.of(alerting.BLOCKS, 3)
        ),
        table=alerting.table,
        document="budgets",
    ),
}
