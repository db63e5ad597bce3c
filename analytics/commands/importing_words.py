"""What an import says: what it recognised, what the files come to, what it did."""

from collections.abc import Iterator, Mapping, Sequence

from analytics import formatting
from analytics.commands.terminal import printable
from analytics.formatting import counted
from analytics.importing import ImportPlan, ImportReport, Summary

_SHOWN_ROWS = 60
_SHOWN_FILES = 3
_SHOWN_NAMES = 20


def became_lines(plans: Sequence[ImportPlan], unread: Mapping[str, str]) -> Iterator[str]:
    """What each kind of file was recognised as, and what its columns became."""
    alike: dict[str, list[ImportPlan]] = {}
    for plan in plans:
        alike.setdefault("columns" if plan.format is None else plan.format.name, []).append(plan)
    for same in alike.values():
        yield _kind(same)
        became: dict[str, str] = {}
        unused: dict[str, None] = {}
        for plan in same:
            became.update(plan.became())
            unused.update(dict.fromkeys(plan.unused()))
        unused = {name: None for name in unused if name not in became}
        width = max(map(len, became), default=0)
        for column, target in became.items():
            yield f"  {printable(column):<{width}}  {target}"
        reading = same[0].reading
        for target, value in {**reading.constants, **reading.forced}.items():
            yield f"  {target} = {printable(value)}"
        if unused:
            names = [printable(name) for name in unused]
            listed = ", ".join(names[:_SHOWN_NAMES])
            more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
            yield f"  not used: {listed}{more} (keep one with --column metadata.NAME=COLUMN)"
        if same[0].format is not None and same[0].format.remark:
            yield f"  {same[0].format.remark}"
    for name, why in list(unread.items())[:_SHOWN_FILES]:
        yield f"not read: {printable(name)}: {printable(why)}"
    if len(unread) > _SHOWN_FILES:
        yield f"not read: {len(unread) - _SHOWN_FILES:,} more files"


def _kind(plans: Sequence[ImportPlan]) -> str:
    first = plans[0]
    title = "columns by their names" if first.format is None else first.format.title
    kind = {"csv": "CSV", "json": "JSON", "json lines": "JSON Lines", "parquet": "Parquet"}[first.file.kind]
    if first.file.kind != "parquet" and first.file.source.encoding != "utf-8":
        kind = f"{kind} in {first.file.source.encoding.upper()}"
    names = printable(first.file.source.name) if len(plans) == 1 else f"{len(plans):,} files"
    return f"{names}: {title}, {kind}"


def summary_lines(summary: Summary, plans: Sequence[ImportPlan], twice: Sequence[str]) -> Iterator[str]:
    """Sums per day and model, and what would not be loaded."""
    keys = sorted(summary.by_day_and_model, key=lambda key: (key.day, key.source, key.model or ""))
    keys = [key for key in keys if summary.by_day_and_model[key].requests]
    table = [
        (
            key.day.isoformat(),
            printable(key.source),
            printable(key.model or formatting.NO_MODEL),
            formatting.count(sums.requests),
            formatting.count(sums.tokens),
            formatting.cost(sums.cost_usd, sums.unpriced, sums.requests),
        )
        for key in keys[:_SHOWN_ROWS]
        for sums in [summary.by_day_and_model[key]]
    ]
    yield from _table([("day", "provider", "model", "requests", "tokens", "cost"), *table])
    if len(keys) > _SHOWN_ROWS:
        yield f"... and {len(keys) - _SHOWN_ROWS:,} more"
    total = summary.total
    cost = formatting.cost(total.cost_usd, total.unpriced, total.requests)
    yield (
        f"{counted(summary.read, 'row')}: {counted(total.requests, 'request')}, "
        f"{counted(total.tokens, 'token')}, {cost}; nothing is stored"
    )
    if summary.repeated:
        yield f"{counted(summary.repeated, 'row')} of calls that other rows tell of, too: they count once"
    if total.unpriced:
        yield f"{counted(total.unpriced, 'request')} without a cost: no price is known for the model"
    yield from _others(summary.left_out, summary.passed_over, plans)
    if summary.rejected_count:
        yield f"{counted(summary.rejected_count, 'row')} cannot be read:"
        for row in summary.rejected:
            yield f"  {printable(row.plan.file.source.name)}, line {row.record.line_number:,}: {row.reason}"
    for line in twice:
        yield f"would count twice: {line}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        texts = [f"{text:<{width}}" for text, width in zip(row[:3], widths[:3], strict=True)]
        numbers = [f"{text:>{width}}" for text, width in zip(row[3:], widths[3:], strict=True)]
        yield "  ".join((*texts, *numbers))


def report_lines(report: ImportReport, plans: Sequence[ImportPlan]) -> Iterator[str]:
    """What was done."""
    updated = f"{report.updated:,} updated, " if report.updated else ""
    yield (
        f"{counted(report.read, 'row')} read: {report.stored:,} stored, {updated}"
        f"{report.already_there:,} already there, {report.rejected:,} rejected"
    )
    yield from _others(report.left_out, report.passed_over, plans)
    if report.first_at and report.last_at:
        yield f"calls from {report.first_at:%Y-%m-%d %H:%M} to {report.last_at:%Y-%m-%d %H:%M} UTC"
    if report.unpriced:
        yield f"{counted(report.unpriced, 'call')} stored without a cost: no price is known for the model"
    if report.of_summed_days:
        were = "was" if report.of_summed_days == 1 else "were"
        yield (
            f"{counted(report.of_summed_days, 'call')} {were} rejected as of their days only sums are kept, "
            "in which they may be counted already"
        )
    if report.rejects_path:
        yield f"see {report.rejects_path} for what was rejected and why"


def _others(left_out: int, passed_over: Mapping[str, int], plans: Sequence[ImportPlan]) -> Iterator[str]:
    if left_out:
        yield f"{counted(left_out, 'row')} left out, as you asked"
    if passed_over:
        listed = ", ".join(f"{what} ({number:,})" for what, number in sorted(passed_over.items()))
        count = sum(passed_over.values())
        yield f"{counted(count, 'row')} {'is no call' if count == 1 else 'are no calls'}: {printable(listed)}"
    for plan in plans:
        if plan.file.has_further_pages:
            yield f"{printable(plan.file.source.name)} ends with has_more: there are further pages to fetch"
