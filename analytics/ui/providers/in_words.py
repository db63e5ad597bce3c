"""What changed between two periods, in a sentence each. Pure: moved usage in, Markdown out."""

from decimal import Decimal

from analytics import charts, formatting
from analytics.queries import Moved, Movers, Unit
from analytics.ui.frame.messages import escaped

_TIMES = "\N{MULTIPLICATION SIGN}"
_AS_FACTOR = Decimal("1.5")
_ABOUT_SAME = Decimal("0.005")
_PART_NAMES = {
    "calls": ("more calls", "fewer calls"),
    "length": ("longer calls", "shorter calls"),
    "price": ("dearer calls", "cheaper calls"),
    "mix": ("other mix", "other mix"),
}
"""What each part is called where it adds to the change, and where it takes from it."""


def amount(number: Decimal, unit: Unit) -> str:
    """An amount of change with its sign: `+$412.00`, or tokens with a minus before them."""
    text = formatting.usd(abs(number)) if unit == "cost" else _tokens(abs(number))
    return f"{'+' if number > 0 else formatting.MINUS if number < 0 else ''}{text}"


def percent(ratio: object) -> str:
    """`+12.3%` of 1.123, a float of a table."""
    return (formatting.change(Decimal(repr(ratio)), 1) or "").replace("-", formatting.MINUS)


def change_of_all(movers: Movers) -> str:
    """`**+$512.00 (+70.1%)**: more calls +$300.00, ...`; empty where no change may be told."""
    moved = movers.known
    if moved.change is None or moved.parts is None or not moved.model_count:
        return ""
    known = formatting.plural(moved.model_count, "model")
    whose = f" of the {known} whose cost is known" if movers.unknown_count else ""
    if not moved.change and not any(moved.parts):
        return f"**No change**{whose}."
    parts = sorted(moved.parts._asdict().items(), key=lambda part: -abs(part[1]))
    reasons = ", ".join(
        f"{_PART_NAMES[name][part < 0]} {escaped(amount(part, movers.unit))}" for name, part in parts if part
    )
    percent = formatting.change(*_compared(moved, movers))
    told = f" ({percent.replace('-', formatting.MINUS)})" if percent else ""
    unit = "" if movers.unit == "cost" else f"{formatting.NO_BREAK_SPACE}tokens"
    daily = " a day" if movers.is_daily else ""
    return f"**{escaped(f'{amount(moved.change, movers.unit)}{unit}{daily}{told}')}**{whose}: {reasons}."


def change_of_model(moved: Moved, movers: Movers) -> str:
    """`**gpt-4o** +$412.00: 2.1x calls, same tokens per call, +3.0% cost per token`."""
    assert moved.change is not None
    assert moved.parts is not None
    daily = " a day" if movers.is_daily else ""
    unit = "" if movers.unit == "cost" else f"{formatting.NO_BREAK_SPACE}tokens"
    name = f"**{escaped(moved.model or formatting.NO_MODEL)}**"
    if moved.source is not None:
        name += f" :gray[{escaped(charts.source_name(moved.source))}]"
    change = escaped(f"{amount(moved.change, movers.unit)}{unit}{daily}")
    return f"{name} {change}: {_why(moved, movers)}"


def _why(moved: Moved, movers: Movers) -> str:
    now, before = moved.now, moved.before
    if not before.request_count:
        return f"new, {formatting.plural(now.request_count, 'call')}"
    if not now.request_count:
        return f"gone, {formatting.plural(before.request_count, 'call')} before"
    calls = _ratio(
        movers.per_day(now.request_count),
        movers.per_day(before.request_count, is_before=True),
        "calls a day" if movers.is_daily else "calls",
    )
    reasons = [calls]
    tells_tokens = bool(now.total_tokens and before.total_tokens)
    if tells_tokens:
        reasons.append(_ratio(now.tokens_per_request, before.tokens_per_request, "tokens per call"))
    if movers.unit == "cost":
        tokens = (
            (now.total_tokens, before.total_tokens)
            if tells_tokens
            else (now.request_count, before.request_count)
        )
        of = "cost per token" if tells_tokens else "cost per call"
        reasons.append(_ratio(now.cost_usd / tokens[0], before.cost_usd / tokens[1], of))
    return ", ".join(reasons)


def _ratio(now: Decimal | None, before: Decimal | None, what: str) -> str:
    """`same tokens per call`, `+12.3% calls`, `2.1x calls`."""
    if now == before:
        return f"same {what}"
    if not now or not before or before < 0:
        return f"{'no' if not now else 'new'} {what}"
    ratio = now / before
    if abs(ratio - 1) < _ABOUT_SAME:
        return f"about the same {what}"
    if ratio >= _AS_FACTOR:
        return f"{formatting.compact(float(ratio)) if ratio >= 100 else f'{ratio:.1f}'}{_TIMES} {what}"
    percent = formatting.change(now, before) or ""
    return f"{escaped(percent.replace('-', formatting.MINUS))} {what}"


def _compared(moved: Moved, movers: Movers) -> tuple[Decimal, Decimal]:
    return (
        movers.per_day(moved.now.amount(movers.unit)),
        movers.per_day(moved.before.amount(movers.unit), is_before=True),
    )


def _tokens(number: Decimal) -> str:
    """Whole tokens; of a daily mean below ten with a digit more."""
    if number != number.to_integral_value() and number < 10:
        return f"{number:.1f}"
    return formatting.count(round(number))
