"""The tables of docs/speed.md."""

from collections.abc import Sequence
from dataclasses import dataclass

from analytics.tracking.shipping import BATCH_CALLS
from bench.api import NO_WRK, ApiRates
from bench.calls import CallTime
from bench.dashboard import SESSIONS, PageTimes
from bench.exports import ExportCost
from bench.reading import PENDING_ROWS, ReadingTimes
from bench.shipping import ShippingRates
from bench.switching import SwitchTime
from bench.visitors import SETTLED, Visitors
from bench.writing import WritingRate


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One size's times. `is_spread`: the worst case, where every conversation lives all days."""

    rows: int
    is_spread: bool
    times: ReadingTimes

    @property
    def name(self) -> str:
        return f"{self.rows:,}{', worst case' if self.is_spread else ''}"


def reading_table(readings: Sequence[Reading]) -> str:
    """Milliseconds, and in brackets how many times slower than the rollups the calls themselves are."""
    lines = [
        f"| calls | **ours** | {PENDING_ROWS:,} rows pending | `usage_logs` directly | DuckDB "
        "| top 20 alone: **ours** | pending | DuckDB "
        "| bytes a call: table | indexes | sums |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for reading in readings:
        times = reading.times
        cells = (
            reading.name,
            f"**{times.ours:,.0f}**",
            f"{times.ours_pending:,.0f}",
            f"{times.direct:,.0f} ({_times(times.direct, times.ours)})",
            f"{times.duckdb:,.0f} ({_times(times.duckdb, times.ours)})",
            f"**{times.top:,.0f}**",
            f"{times.top_pending:,.0f}",
            f"{times.top_duckdb:,.0f}",
            *(f"{size:,.0f}" for size in (times.table_bytes, times.index_bytes, times.sums_bytes)),
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "In the client's last 30 days are:",
        "",
    ]
    lines += [
        f"- {reading.name}: {reading.times.conversation_days:,} conversation-days of "
        f"{reading.times.conversations:,} conversations"
        for reading in readings
    ]
    if any(reading.is_spread for reading in readings):
        lines += ["", "For the worst case only the largest client's 40 percent of the rows are loaded."]
    return "\n".join([*lines, "", *_pages(readings)])


def _pages(readings: Sequence[Reading]) -> list[str]:
    """A row per page, and of each size ours, ours with pending rows, and DuckDB's time."""
    sizes = "".join(f" {reading.name}: **ours** | pending | DuckDB |" for reading in readings)
    lines = [f"| page | goal |{sizes}", f"|---|---:|{'---:|---:|---:|' * len(readings)}"]
    for same in zip(*(reading.times.pages for reading in readings), strict=True):
        times = "".join(
            f" **{page.ours:,.0f}** | {page.ours_pending:,.0f} | {page.duckdb:,.0f} |" for page in same
        )
        lines.append(f"| {same[0].name} | {same[0].goal} |{times}")
    return lines


def writing_table(rates: Sequence[WritingRate]) -> str:
    """Rates per second."""
    lines = ["| writing | with exact sums | without | kept | failed |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {rate.name} | {rate.with_trigger:,.0f} {rate.unit}/s | {rate.without_trigger:,.0f} "
        f"| {100 * rate.kept:.0f} % | {'' if rate.failures is None else rate.failures} |"
        for rate in rates
    ]
    return "\n".join(lines)


def calls_table(times: Sequence[CallTime]) -> str:
    """Microseconds that logging adds to a call."""
    lines = ["| logging one call, microseconds | p50 | p99 |", "|---|---:|---:|"]
    lines += [f"| {time.name} | {time.p50:,.0f} | {time.p99:,.0f} |" for time in times]
    return "\n".join(lines)


def shipping_table(rates: ShippingRates) -> str:
    """Rows per second, and what that is of COPY with the triggers."""
    rows = (
        ("**shipped from the spool**", rates.shipped),
        ("logged by one thread and shipped", rates.end_to_end),
        (f"COPY, batches of {BATCH_CALLS:,}, with exact sums", rates.copied),
        (f"COPY, batches of {BATCH_CALLS:,}, without", rates.copied_without_triggers),
    )
    lines = ["| tracking, through to committed rows | rows/s | of COPY |", "|---|---:|---:|"]
    lines += [f"| {name} | {rate:,.0f} | {100 * rate / rates.copied:.0f} % |" for name, rate in rows]
    return "\n".join(lines)


def api_table(rates: ApiRates | None) -> str:
    """Requests per second and milliseconds, and what ours is of the bare route's rate."""
    if rates is None:
        return NO_WRK
    lines = [
        "| one process, warm | requests/s | of bare | p50, ms | p99, ms | CPU ms a request | of bare |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {route.name} | {route.requests_per_second:,.0f} | {100 * kept:.0f} % | {route.p50:.1f} "
        f"| {route.p99:.1f} | {route.cpu:.3f} | {_ratio(route.cpu, rates.bare.cpu)} |"
        for route, kept in ((rates.ours, rates.kept), (rates.bare, 1))
    ]
    lines += [
        "",
        f"{rates.requests:,} requests to the API, answers of {rates.body_bytes:,} bytes; the bare route",
        f"was loaded alike. {rates.failures} failed, {rates.round_trips} round trips to the database.",
        "",
        "One request after the other on a connection that is kept, milliseconds: "
        + ", ".join(f"{name} {taken:.1f}" for name, taken in rates.one_by_one.items())
        + ".",
    ]
    return "\n".join(lines)


def dashboard_table(pages: PageTimes) -> str:
    """Seconds until a full page, and how many times the bare page's that is."""
    bare = pages.times[-1]
    lines = [
        f"| {SESSIONS} sessions at once, seconds to a full page | median | p95 | of bare "
        "| CPU s a page | of bare |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {page.name} | {page.half:.1f} | {page.most:.1f} | {_ratio(page.half, bare.half)} "
        f"| {page.cpu:.2f} | {_ratio(page.cpu, bare.cpu)} |"
        for page in pages.times
    ]
    lines += [
        "",
        f"{pages.elements} elements a page. {pages.sessions} sessions, {len(pages.failures)} failed"
        f"{': ' + '; '.join(sorted(set(pages.failures))[:3]) if pages.failures else '.'}",
    ]
    return "\n".join(lines)


def visitors_table(visitors: Visitors) -> str:
    """Seconds for a full page among many visitors, and what the server holds."""
    ours, bare = visitors.ours, visitors.bare
    lines = [
        f"| {visitors.sessions} open pages, seconds to a full page | median | p95 | of bare | CPU s a page "
        "| of bare |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {each.name} | {each.half:.2f} | {each.most:.2f} | {_ratio(each.most, bare.most)} "
        f"| {each.cpu:.3f} | {_ratio(each.cpu, bare.cpu)} |"
        for each in (ours, bare)
    ]
    failed = f"{len(visitors.failures)} failed"
    if visitors.failures:
        failed += f": {'; '.join(sorted(set(visitors.failures))[:3])}"
    lines += [
        "",
        f"{visitors.visits:,} visits, {failed}. Memory: {visitors.settled_megabytes:,.0f} MB after "
        f"{SETTLED} minutes, {visitors.megabytes[-1]:,.0f} MB at the end; each minute "
        f"{', '.join(f'{each:,.0f}' for each in visitors.megabytes)}. At most "
        f"{max(visitors.descriptors):,} file descriptors.",
    ]
    return "\n".join(lines)


def exports_table(costs: Sequence[ExportCost]) -> str:
    """Seconds for a file, and the memory that it takes."""
    lines = [
        "| raw calls as CSV, masked | MB | seconds | rows/s | memory above idle |",
        "|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {cost.rows:,} | {cost.size_bytes / 1e6:,.0f} | {cost.seconds:.1f} "
        f"| {cost.rows / cost.seconds:,.0f} | {cost.extra_bytes / 1e6:,.0f} MB |"
        for cost in costs
    ]
    return "\n".join(lines)


def switching_table(switches: Sequence[SwitchTime]) -> str:
    """Milliseconds from a click to the last chart painted, and how many times the bare app's that is."""
    lines = [
        "| click to last chart painted, ms | p50 | p95 | bare app, p50 | p95 | p50 of bare |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {switch.name} | {switch.ours:,.0f} | {switch.ours_most:,.0f} | {switch.bare:,.0f} "
        f"| {switch.bare_most:,.0f} | {_ratio(switch.ours, switch.bare)} |"
        for switch in switches
    ]
    return "\n".join(lines)


def _ratio(value: float, other: float) -> str:
    return f"{value / other:.2f}x" if other else ""


def _times(value: float, other: float) -> str:
    ratio = value / other
    return f"{ratio:.1f}x" if ratio < 10 else f"{ratio:,.0f}x"
