"""Numbers, money and ages as people read them. Pure; a number and its unit never break apart."""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
MISSING = "\N{EM DASH}"
NO_MODEL = "(no model)"
MINUS = "\N{MINUS SIGN}"
_TIMES = "\N{MULTIPLICATION SIGN}"
_HUGE_PERCENT = 1_000
_FROM_WHERE_MONEY_IS_COMPACT = Decimal("9999.995")  # what prints as $10,000.00
# Marks of Latin, Greek and Cyrillic; Hebrew points; Arabic signs; what has no width.
_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]"
)
# Letters and signs that Unicode does not take apart, as people type them.
_AS_TYPED = str.maketrans(
    dict(zip("øłđðħıŧŋĸ\u03c2\u2019\u2018\u2010\u2011\u2013\u2014", "olddhitnk\u03c3''----", strict=True))
    | {"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"}
)


def usd(amount: Decimal) -> str:
    """`$1,234.50`, and below a dollar enough digits to tell it from nothing: `$0.0093`, `$0.00000042`."""
    sign = MINUS if amount < 0 else ""
    size = abs(amount)
    if size == 0 or size >= Decimal("0.995"):
        return f"{sign}${size.quantize(Decimal('0.01'), ROUND_HALF_EVEN):,}"
    # Two significant digits, but never fewer than the cents.
    digits = max(2, 1 - size.adjusted())
    return f"{sign}${size.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN):f}"


def compact_usd(amount: Decimal) -> str:
    """usd(), and from 10,000 on as compact() has it, where there is no room for more: `$12.3K`, `$4.56M`."""
    if abs(amount) < _FROM_WHERE_MONEY_IS_COMPACT:
        return usd(amount)
    return f"{MINUS if amount < 0 else ''}${compact(float(abs(amount)))}"


def exact_usd(amount: Decimal) -> str:
    """All digits that it has, without the zeros behind them: `1,234.0042 USD`."""
    text = f"{amount:,f}".replace("-", MINUS)
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text}{NO_BREAK_SPACE}USD"


def cost(
    amount: Decimal, unpriced_count: int, request_count: int, text_of: Callable[[Decimal], str] = usd
) -> str:
    """`$1.50`; `≥ $1.50` where some of the calls have no price, `cost unknown` where none has one.

    `text_of` formats the amount.
    """
    if unpriced_count and unpriced_count == request_count:
        return "cost unknown"
    return f"≥{NO_BREAK_SPACE}{text_of(amount)}" if unpriced_count else text_of(amount)


def coverage(request_count: int, unpriced_count: int) -> str:
    """Whether all requests have a cost: `all requests priced`, `12 at unknown cost`, `nothing to price`."""
    if not request_count:
        return "nothing to price"
    return f"{count(unpriced_count)} at unknown cost" if unpriced_count else "all requests priced"


def count(number: int) -> str:
    """`1,234,567`."""
    return f"{number:,}".replace("-", MINUS)


def compact(number: float) -> str:
    """Three significant digits with a unit: `987`, `12.3K`, `4.56M`, `1.20B`."""
    sign = MINUS if number < 0 else ""
    size = abs(number)
    for unit, magnitude in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3)):
        # From the value that would print as 1,000 of the unit below.
        if size >= magnitude * (0.9995 if magnitude > 1e3 else 1):
            scaled = size / magnitude
            decimals = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
            return f"{sign}{scaled:.{decimals}f}{unit}"
    return f"{sign}{size:.0f}"


def plural(number: int, noun: str) -> str:
    """`1 request`, `2,345 requests`; the two never part."""
    return f"{count(number)}{NO_BREAK_SPACE}{noun}{'' if number == 1 else 's'}"


def counted(number: int, noun: str) -> str:
    """plural() for a terminal."""
    return spaced(plural(number, noun))


def spaced(text: str) -> str:
    """The text for a terminal, where a line breaks anywhere and a search wants plain spaces."""
    return text.replace(NO_BREAK_SPACE, " ")


def window(days: int, last: date | None) -> str:
    """A span of days: `last 30 days`, or `1 to 31 Mar 2026` where `last` is given."""
    if last is None:
        return f"last {days} days"
    first = last - timedelta(days=days - 1)
    if first == last:
        return day(last)
    if first.year != last.year:
        begin = day(first)
    else:
        begin = f"{first.day}" if first.month == last.month else f"{first.day} {first:%b}"
    return f"{begin} to {day(last)}"


def split(total: int, prompt: int, completion: int) -> str:
    """`8.1M prompt + 2.2M completion`, and undivided tokens, so that the parts add up to the total."""
    parts = {"prompt": prompt, "completion": completion, "undivided": total - prompt - completion}
    return " + ".join(
        f"{compact(tokens)}{NO_BREAK_SPACE}{name}"
        for name, tokens in parts.items()
        if tokens or name != "undivided"
    )


def change(current: Decimal | int, previous: Decimal | int) -> str | None:
    """The change in percent, `+12.3%`; None where there was nothing before to compare with.

    From 1,000% on it is the factor, 11.0 times and more. A change that is there never reads as none, and
    where something is left it is never -100%.
    """
    if previous <= 0:
        return None
    if current == previous:
        return "0%"
    percent = (Decimal(current) - Decimal(previous)) / Decimal(previous) * 100
    # A plain hyphen: it is what st.metric and people who search for it know.
    sign = "+" if percent > 0 else "-"
    if abs(percent) <= Decimal("0.05"):
        return f"{sign}<0.1%"
    if current > 0 and percent <= Decimal("-99.95"):
        return "-99.9%"
    if percent >= _HUGE_PERCENT:
        factor = Decimal(current) / Decimal(previous)
        return f"{factor:.1f}{_TIMES}" if factor < 100 else f"{compact(float(factor))}{_TIMES}"
    decimals = 0 if abs(percent) >= Decimal("99.95") else 1
    return f"{sign}{abs(percent):.{decimals}f}%"


def share(part: Decimal | int | float, whole: Decimal | int | float) -> str:
    """`12.3%`; a part that is there is never `0.0%`, and one that lacks something never `100.0%`."""
    if not whole:
        return MISSING
    percent = float(part) / float(whole) * 100
    if 0 < percent < 0.05:
        return "<0.1%"
    if 99.95 <= percent < 100:
        return ">99.9%"
    return f"{percent:.1f}%"


def duration(milliseconds: Decimal) -> str:
    """`3 ms`, `840 ms`, `1.24 s`, `75.0 s`, `3,600 s`."""
    if milliseconds < Decimal("999.5"):
        return f"{milliseconds:.0f}{NO_BREAK_SPACE}ms"
    seconds = milliseconds / 1000
    return f"{seconds:,.{max(0, 2 - max(0, seconds.adjusted()))}f}{NO_BREAK_SPACE}s"


def age(moment: datetime, now: datetime) -> str:
    """`12 s ago`, `3 min ago`, `2 h ago`, `5 days ago`."""
    seconds = max(0, int((now - moment) / timedelta(seconds=1)))
    if seconds < 60:
        return f"{seconds}{NO_BREAK_SPACE}s ago"
    if seconds < 3600:
        return f"{seconds // 60}{NO_BREAK_SPACE}min ago"
    if seconds < 48 * 3600:
        return f"{seconds // 3600}{NO_BREAK_SPACE}h ago"
    return f"{seconds // 86400}{NO_BREAK_SPACE}days ago"


def day(value: date) -> str:
    """`22 Nov 2026`."""
    return f"{value.day} {value:%b %Y}"


def utc_moment(value: datetime) -> str:
    """`2026-03-18 12:00 UTC`."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def folded(text: str) -> str:
    """The text as a search compares it, on both sides: "joao" for "João", "strasse" for "Straße".

    Without case, accents and marks; ligatures and full-width letters are taken apart. The SQL function
    folded() does the same.
    """
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).lower())
    return _MARKS.sub("", decomposed).translate(_AS_TYPED)


def matches_search(search: str, *texts: str | None) -> bool:
    """Whether one of the texts contains the search; an empty search matches all."""
    # A lone accent folds to nothing, which would be in every text.
    needle = folded(search) or search.lower()
    return not needle or any(needle in folded(text) for text in texts if text is not None)
