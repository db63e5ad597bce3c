"""Budgets in words. Plain text."""

from collections.abc import Sequence
from datetime import date

from analytics.budgets import BudgetPlan, BudgetStatus, Outlook
from analytics.forecasting import PastWorth, TooShort
from analytics.formatting import plural
from analytics.queries import Filters
from analytics.ui.parts.budget_line import amount, spent_of


def scope(filters: Filters, split_by: str | None) -> str:
    """`all calls`; `model=gpt-4o, each user`."""
    parts = [f"{name}={values}" for name, values in filters.query().items()]
    if split_by is not None:
        parts.append(f"each {split_by}")
    return ", ".join(parts) or "all calls"


def pace(status: BudgetStatus) -> str:
    """`12 % ahead of plan`, `on plan`; empty where there is nothing to say."""
    if status.pace is None:
        return ""
    ahead = round((status.pace - 1) * 100)
    if abs(ahead) < 3:
        return "on plan"
    return f"{abs(ahead)} % {'ahead of' if ahead > 0 else 'below'} plan"


def run_out(outlook: Outlook) -> str:
    """`runs out Sat 6 to Tue 9 Dec`, `spent since ...`, or `lasts until it resets`."""
    status = outlook.status
    if status.limit_amount is None:
        return ""
    if status.is_exceeded:
        return "all of it is spent"
    if isinstance(outlook.forecast, TooShort):
        return str(outlook.forecast)
    found = outlook.run_out
    if found is None or found.earliest is None:
        return "lasts until it resets"
    if found.latest is None:
        rest = f" to {day(found.likely)}" if found.likely not in (None, found.earliest) else ""
        return f"may run out {day(found.earliest)}{rest}, or last"
    if found.earliest == found.latest:
        return f"runs out {day(found.earliest)}"
    return f"runs out {day(found.earliest)} to {day(found.latest)}"


def at_end(outlook: Outlook) -> str:
    """`likely $410 to $520 at its end`; empty without a forecast."""
    if outlook.at_end is None:
        return ""
    unit = outlook.status.unit
    rough = ", roughly" if getattr(outlook.forecast, "is_rough", False) else ""
    low, high = (amount(unit, value) for value in (outlook.at_end.low_80, outlook.at_end.high_80))
    return f"likely {low} to {high} at its end{rough}"


def worth(status: BudgetStatus, past: PastWorth) -> str:
    """`Last month we would have said $410 to $520; it was $487. 4 of 5 months were in their range.`"""
    if not past.months:
        return ""
    last = past.months[-1]
    low, high, actual = (amount(status.unit, value) for value in (last.low_80, last.high_80, last.actual))
    hits = f"{past.hits} of {plural(len(past.months), status.period)} were within such a range of 80 %."
    return f"Of the {status.period} before we would have said {low} to {high}; it was {actual}. {hits}"


def preview(values: Sequence[BudgetStatus]) -> str:
    """`Now $60.00 of $100.00, 60 %. It tells at once that 50 % are reached. resets Tue 1 Dec ...`"""
    if not values:
        return "No call of this period has this tag: nothing is spent yet."
    most = values[0]
    said = f"Now {spent_of(most)}."
    if most.split_by is not None:
        said = f"{plural(len(values), 'value')}, the most spent now: {spent_of(most)}."
    if most.is_lower_bound:
        said += f" {plural(most.unpriced_count, 'call')} unpriced."
    share = (most.share or 0) * 100
    reached = [str(each) for each in most.thresholds if each.on == "actual" and share >= each.percent]
    told = f" It tells at once: {', '.join(reached)} %." if reached and most.share is not None else ""
    return f"{said}{told} It {most.resets_text}."


def plan(version: BudgetPlan) -> str:
    """`$500.00 a month, all calls, told at 50, 80, 100 %`."""
    words = [f"{amount(version.unit, version.limit_amount)} a {version.period}"]
    if version.start_day != 1:
        words[0] += f" from day {version.start_day}"
    if version.time_zone is not None:
        words.append(version.time_zone)
    words.append(scope(version.filters, version.split_by))
    if version.thresholds:
        words.append(f"told at {', '.join(str(each) for each in version.thresholds)} %")
    return ", ".join(words)


def day(value: date | None) -> str:
    """`Sat 6 Dec`."""
    return "" if value is None else f"{value:%a} {value.day} {value:%b}"
