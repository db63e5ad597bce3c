"""Filters: which calls count. One text says them, in a link and in the API alike.

`model=gpt-4o,o1&provider!=groq&tag.feature=chat`: all conditions hold, each for any of its values; a name
that ends in `!` leaves its values out. A value that is empty stands for calls that do not tell it.
A backslash stands before a comma or backslash that belongs to a value, and before a `!` of a tag's key.
Hours (`hour=09,10`) and weekdays (`weekday=mon`) are those of the client's clock; each call has both.
The basis of a cost (`basis=unpriced`), which correction changed it (`correction=<id>`), what a call has
(`has.latency=no`) and ranges (ranges.py) are asked of calls themselves.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analytics.errors import InvalidInput
from analytics.queries.ranges import RANGES, overlap, range_text, shape_of

BASES = ("priced", "estimated", "given", "plan", "unpriced")
"""How sure a cost is."""
HAS = "has."
"""What the name of a condition on a fact begins with; yes and no are its values."""
FACTS = (
    *("latency", "first-token", "retry", "usage", "stated-cost", "cache", "cached", "cache-write", "unread"),
    *("bucket", "attempts", "replaced"),
)
"""What a call may have: the known_facts() of SQL."""
YES, NO = "yes", "no"
GROUPED = ("provider", "model", "operation", "outcome", "hour", "weekday")
"""What usage is grouped by, besides tags."""
DIMENSIONS = (
    *("provider", "model", "operation", "outcome", "conversation", "hour", "weekday", "basis", "correction"),
    *RANGES,
    *(f"{HAS}{fact}" for fact in FACTS),
)
"""What calls are filtered by, besides their tags."""
HOURS = tuple(f"{hour:02}" for hour in range(24))
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ALLOWED = {"hour": HOURS, "weekday": WEEKDAYS, "basis": BASES}
TAG = "tag."
"""What the name of a tag's condition begins with; its key follows."""
OTHER_TAGS = "(other)"
"""The value of any tag of calls whose tags were too many to keep apart."""
MAX_VALUES = 100
MAX_CONDITIONS = 20
_MAX_VALUE = 500  # characters
_MAX_SHOWN = 60
_EXCLUDED = "!"
_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_AN_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
_CONVERSATION = re.compile(rf"p[0-9a-f]{{32}}|{_ID}|")
_CORRECTION = re.compile(_ID)
_NAME = re.compile(r"((?:\\.|!(?=.)|[^!\\]|\\\Z)*)(!?)", re.DOTALL)
_PART = re.compile(r"(?:\\.|[^,\\])*", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Values that a call must have, or must not have, of one dimension or tag."""

    name: str
    """One of DIMENSIONS, or TAG and a key."""
    values: tuple[str, ...]
    """In order, each once; "" is for calls that do not tell it."""
    is_excluded: bool = False

    @property
    def parameter(self) -> str:
        """The name as it stands in a link: `model`, or `model!`."""
        name = re.sub(r"([\\!])", r"\\\1", self.name)
        return f"{name}{_EXCLUDED}" if self.is_excluded else name

    @property
    def text(self) -> str:
        """The values as they stand in a link."""
        return ",".join(spelled(value) for value in self.values)


@dataclass(frozen=True)
class Filters:
    """Conditions that all hold, at most one per name; equal ones are equal, whatever their order."""

    conditions: tuple[Condition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.conditions)

    def __iter__(self) -> Iterator[Condition]:
        return iter(self.conditions)

    @classmethod
    def of(cls, conditions: Iterable[Condition]) -> "Filters":
        """Conditions in any order. The values of one name are joined; those left out are taken from them.

        Raises:
            InvalidInput: none is left.
        """
        merged: dict[str, Condition] = {}
        for condition in conditions:
            before = merged.get(condition.name)
            merged[condition.name] = condition if before is None else _both(before, condition)
        return cls(
            tuple(
                replace(condition, values=tuple(in_order(condition.name, set(condition.values))))
                for _, condition in sorted(merged.items())
            )
        )

    @classmethod
    def parse(cls, query: Iterable[tuple[str, str]] | Mapping[str, str]) -> "Filters":
        """The filters among the parameters of a link; a name that comes again brings further values.

        Raises:
            InvalidInput: a value cannot be; the message names the parameter.
        """
        pairs = query.items() if isinstance(query, Mapping) else query
        conditions = [_condition(name, text) for name, text in pairs if is_filter(name)]
        if len(conditions) > MAX_CONDITIONS:
            raise InvalidInput(f"at most {MAX_CONDITIONS} filters hold at once, not {len(conditions)}")
        filters = cls.of(conditions)
        for condition in filters:
            _check_count(condition)
        return filters

    @classmethod
    def of_json(cls, listed: Iterable[Mapping[str, Any]]) -> "Filters":
        """What json() wrote, and PostgreSQL has kept."""
        return cls.of(
            Condition(
                name=each["name"],
                values=tuple(value or "" for value in each["values"]),
                is_excluded=each["excluded"],
            )
            for each in listed
        )

    def query(self) -> dict[str, str]:
        """The parameters of a link that parse() reads."""
        return {condition.parameter: condition.text for condition in self.conditions}

    def json(self) -> str:
        """What the SQL functions take as p_filters; null stands for calls that do not tell it."""
        return json.dumps(
            [
                {
                    "name": condition.name,
                    "values": [value or None for value in condition.values],
                    "excluded": condition.is_excluded,
                }
                for condition in self.conditions
            ]
        )

    def get(self, name: str) -> Condition | None:
        """The condition of this name."""
        return next((condition for condition in self.conditions if condition.name == name), None)

    def with_condition(self, name: str, values: Sequence[str], *, is_excluded: bool = False) -> "Filters":
        """These, with this condition in place of the one of its name; without one where there is no value."""
        others = [condition for condition in self.conditions if condition.name != name]
        if not values:
            return Filters.of(others)
        return Filters.of([*others, Condition(name=name, values=tuple(values), is_excluded=is_excluded)])

    def narrowed(self, further: "Filters") -> "Filters":
        """These and those as well. A condition that leaves nothing of one of these stands in its place."""
        found = self
        for condition in further:
            before = found.get(condition.name)
            if before is None:
                left = condition
            elif condition.name in RANGES:
                both = overlap(condition.name, before.values[0], condition.values[0])
                left = replace(condition, values=(both,) if both else ())
            elif before.is_excluded or condition.is_excluded:
                left = _left_of(before, condition)
            else:
                left = replace(condition, values=_among(condition.values, before.values))
            left = left if left.values else condition
            found = found.with_condition(condition.name, left.values, is_excluded=left.is_excluded)
        return found

    def without(self, name: str) -> "Filters":
        """These, without the condition of this name."""
        return self.with_condition(name, ())


NO_FILTERS = Filters()


def spelled(value: str) -> str:
    """A value as it stands in a link."""
    return re.sub(r"([\\,])", r"\\\1", value)


def is_filter(parameter: str) -> bool:
    """Whether a parameter of a link is a filter."""
    name, _ = _name_of(parameter)
    return name in DIMENSIONS or (name.startswith(TAG) and name != TAG)


def in_order(name: str, values: Iterable[str]) -> list[str]:
    """Values of a condition in the order of the clock and of the week, or else of their text."""
    return sorted(values, key=lambda value: (WEEKDAYS.index(value) if name == "weekday" else 0, value))


def _name_of(parameter: str) -> tuple[str, bool]:
    """The name, and whether its values are excluded."""
    found = _NAME.fullmatch(parameter)
    assert found is not None
    return _unescaped(found[1]), bool(found[2])


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _condition(parameter: str, text: str) -> Condition:
    name, is_excluded = _name_of(parameter)
    if not is_storable(name):
        raise InvalidInput(
            f"the key of a tag has at most {_MAX_VALUE} characters, without NUL, "
            f'not "{readable(name.removeprefix(TAG))}"'
        )
    values = [_unescaped(part) for part in _parts(text)]
    if name in ("provider", "conversation", "correction", *_ALLOWED) or name.startswith(HAS):
        values = [value.strip().lower() for value in values]
    if name == "hour":
        values = [value.zfill(2) if value else value for value in values]
    for value in values:
        if not is_storable(value):
            raise InvalidInput(
                f"{readable(name)} takes values of at most {_MAX_VALUE} characters, "
                f'without NUL, not "{readable(value)}"'
            )
        if name == "conversation" and not _CONVERSATION.fullmatch(value):
            raise InvalidInput(
                f"conversation must be an id such as {_AN_ID}, or the handle of a"
                f' phone, or empty for calls without one, not "{readable(value)}"'
            )
        if name == "correction" and not _CORRECTION.fullmatch(value):
            raise InvalidInput(f'correction must be the id of one, such as {_AN_ID}, not "{readable(value)}"')
        allowed = (YES, NO) if name.startswith(HAS) else _ALLOWED.get(name)
        if allowed is not None and value not in allowed:
            told = "0 to 23" if name == "hour" else f"{', '.join(allowed[:-1])} or {allowed[-1]}"
            raise InvalidInput(f'{name} must be {told}, not "{readable(value)}"')
    if name in RANGES:
        values = [_range(name, value) for value in values]
    condition = Condition(name=name, values=tuple(values), is_excluded=is_excluded)
    _check_count(condition)
    return condition


def _range(name: str, text: str) -> str:
    try:
        return range_text(name, text)
    except (ValueError, OverflowError):
        raise InvalidInput(f'{name} must be {shape_of(name)}, not "{readable(text)}"') from None


def _check_count(condition: Condition) -> None:
    if condition.name in RANGES and (condition.is_excluded or len(condition.values) > 1):
        raise InvalidInput(
            f"{condition.name} takes one range, that of the calls that count, "
            f'not "{readable(condition.text)}"'
        )
    if len(condition.values) > MAX_VALUES:
        raise InvalidInput(
            f"{readable(condition.name)} takes at most {MAX_VALUES} values, not {len(condition.values)}"
        )


def is_storable(text: str) -> bool:
    """Whether PostgreSQL takes it in JSON, and it is not too long: no NUL, no half of a surrogate pair."""
    return len(text) <= _MAX_VALUE and "\0" not in text and not re.search("[\ud800-\udfff]", text)


def readable(text: str) -> str:
    """As much of it as a message needs, without what a terminal would obey."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:_MAX_SHOWN])


def _parts(text: str) -> list[str]:
    """The text at its commas, but not at those with a backslash before them."""
    parts: list[str] = []
    at = 0
    while True:
        found = _PART.match(text, at)
        assert found is not None
        end = found.end()
        if end < len(text) and text[end] == "\\":  # the last sign of all
            return [*parts, text[at:]]
        parts.append(found.group())
        if end == len(text):
            return parts
        at = end + 1


def _both(first: Condition, second: Condition) -> Condition:
    """The values of both; of wanted and unwanted ones what is left."""
    if first.is_excluded == second.is_excluded:
        return replace(first, values=(*first.values, *second.values))
    left = _left_of(first, second)
    if not left.values:
        wanted = second if first.is_excluded else first
        raise InvalidInput(f'{readable(wanted.name)} cannot be and not be "{readable(wanted.text)}" at once')
    return left


def _left_of(first: Condition, second: Condition) -> Condition:
    """What passes both, of which at least one leaves values out."""
    if first.is_excluded and second.is_excluded:
        return replace(first, values=tuple(dict.fromkeys((*first.values, *second.values))))
    wanted, unwanted = (second, first) if first.is_excluded else (first, second)
    return replace(wanted, values=tuple(value for value in wanted.values if value not in unwanted.values))


def _among(values: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value for value in values if value in others)
