"""The values of a record as arguments of make_call(), which checks them like those of any other call.

Only the notations of files are read here: CSV has nothing but text, a phone may be a number in JSON, and
times are written in many ways.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from analytics import bounded_json
from analytics.calls.row import USAGE_MISSING
from analytics.calls.validation import checked_count, number_in, quoted
from analytics.errors import InvalidInput
from analytics.pricing.usage import DETAILS, Usage

OBJECTS = ("usage", "tags", "metadata")
"""Targets whose value is a JSON object."""
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
FACTS = (
    *("operation", "outcome", "service_tier", "latency_ms", "time_to_first_token_ms", "operation_id"),
    *("attempt", "response_id", "account", "stated_cost_usd", "plan"),
)
TARGETS = (
    *("id", "created_at", "source", "model", *COUNTS, "cost_usd", "conversation_id", "phone"),
    *("duration_seconds", *DETAILS, *FACTS, *OBJECTS, "cost_basis", "conversation_name"),
)
"""What a column or a constant may fill, beside tag.<key>."""
TAG = "tag."
"""Before the key of a tag that has a column of its own."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_NANOSECONDS = 10**20
# Of a priced call in an export of our own: they are made anew.
_MADE_ANEW = ("price", "tokens_estimated")
_NUMBERS = ("latency_ms", "time_to_first_token_ms", "stated_cost_usd")


class CallParser:
    """Makes the arguments of make_call() from values in the order of `targets`."""

    def __init__(
        self,
        targets: Sequence[str],
        constants: Mapping[str, str],
        timezone: tzinfo,
        *,
        is_own_export: bool = False,
    ) -> None:
        self._targets = targets
        self._constants = constants
        self._timezone = timezone
        self._is_own_export = is_own_export
        self._details = [name for name in DETAILS if name in targets or name in constants]
        self._facts = [name for name in (*targets, *constants) if name in FACTS]
        self._tags = [name for name in (*targets, *constants) if name.startswith(TAG)]
        self._has_more = bool(
            self._details or self._facts or self._tags or {*OBJECTS, "cost_basis"} & {*targets, *constants}
        )

    def parse(self, values: Sequence[Any]) -> dict[str, Any]:
        """The arguments that the record has, `created_at` in UTC; empty values count as left out.

        `conversation_name` comes beside the id of the conversation, where the file has it.

        Raises:
            InvalidInput: a time or an object cannot be read, a count is none, a name is no text or number.
        """
        fields: dict[str, Any] = dict(self._constants)
        for target, value in zip(self._targets, values, strict=True):
            if type(value) is str:
                value = value.strip()
                if self._is_own_export and value.startswith("'"):
                    value = value[1:]  # from before what a spreadsheet would take for a formula
            if value is not None and value != "":
                fields[target] = value
        given = fields.get
        # Strict, other than with a provider's usage: an odd count is a column that was taken for another.
        counts = {name: checked_count(name, _count(fields[name])) for name in COUNTS if name in fields}
        arguments = {
            "created_at": self._instant(given("created_at")),
            "source": _text("source", given("source")),
            "model": _text("model", given("model")),
            "conversation_id": _text("conversation_id", given("conversation_id")),
            "phone": _text("phone", given("phone")),
            "id": _text("id", given("id")),
            "usage": counts,
            "cost_usd": given("cost_usd"),
            "duration_seconds": given("duration_seconds"),
        }
        if self._has_more:
            self._parse_more(fields, counts, arguments)
        if (name := given("conversation_name")) is not None:
            arguments["conversation_name"] = _text("conversation_name", name)
        return arguments

    def _parse_more(
        self, fields: Mapping[str, Any], counts: Mapping[str, int], arguments: dict[str, Any]
    ) -> None:
        given = fields.get
        details = {
            name: checked_count(name, _count(fields[name])) for name in self._details if name in fields
        }
        if details:
            arguments["usage"] = _usage(counts, details)
        if "usage" in fields:
            arguments["usage"] = _object("usage", fields["usage"])
        for name in self._facts:
            if name in fields:
                value = fields[name]
                arguments[name] = (
                    value if name in _NUMBERS else _count(value) if name == "attempt" else _text(name, value)
                )
        tags = dict(_object("tags", fields["tags"])) if "tags" in fields else {}
        tags |= {name[len(TAG) :]: fields[name] for name in self._tags if name in fields}
        if tags:
            arguments["tags"] = tags
        metadata = dict(_object("metadata", fields["metadata"])) if "metadata" in fields else {}
        if (basis := given("cost_basis")) is not None:
            _take_back(str(basis), metadata, arguments)
        if metadata:
            arguments["metadata"] = metadata

    def _instant(self, value: Any) -> datetime:
        if value is None:
            raise InvalidInput("created_at is missing")
        try:
            instant = _parsed_instant(value)
            if instant.tzinfo is None:
                instant = instant.replace(tzinfo=self._timezone)
            return instant.astimezone(UTC)
        except (ValueError, OverflowError, TypeError):
            raise InvalidInput(
                f"created_at must be a time such as 2026-03-18T12:00:00Z, not {quoted(value)}"
            ) from None


def _parsed_instant(value: Any) -> datetime:
    """A time in ISO 8601, or in seconds, milli-, micro- or nanoseconds since 1970, as its size tells."""
    number = None
    # A text of eight digits is a date.
    if type(value) is not str or (value[4:5] != "-" and len(value) != len("20240131")):
        number = number_in(value)
    if number is None:
        return datetime.fromisoformat(value)
    if not number.is_finite() or abs(number) > _LATEST_NANOSECONDS:
        raise ValueError
    for _finer_unit in range(3):
        if abs(number) >= 100_000_000_000:  # as seconds: the year 5138
            number /= 1000
    return _EPOCH + timedelta(microseconds=int(number * 1_000_000))


def _usage(counts: Mapping[str, int], details: Mapping[str, int]) -> Usage:
    prompt, completion, total = (counts.get(name) for name in COUNTS)
    # A missing part is what the other one leaves of the total.
    if prompt is None and completion is not None:
        prompt = max((total or 0) - completion, 0)
    elif completion is None and prompt is not None:
        completion = max((total or 0) - prompt, 0)
    together = (prompt or 0) + (completion or 0)
    return Usage(prompt or 0, completion or 0, max(total or 0, together), None, details)


def _take_back(basis: str, metadata: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Makes of an exported call the arguments that it was made of: a cost by the lists is calculated anew."""
    if basis not in ("given", "priced", "estimated", "unpriced", "plan"):
        raise InvalidInput(
            f"cost_basis must be given, priced, estimated, unpriced or plan, not {quoted(basis)}"
        )
    price = metadata.get("price")
    is_stated = isinstance(price, Mapping) and price.get("list") == "stated"
    if basis != "given" or is_stated:
        arguments["cost_usd"] = None
    if basis == "plan":
        named = price.get("plan") if isinstance(price, Mapping) else None
        arguments["plan"] = named if isinstance(named, str) else "subscription"
    if USAGE_MISSING in metadata:
        arguments["usage"] = None
    if metadata.get("tokens_estimated") is True:
        arguments["tokens_estimated"] = True
    for name in _MADE_ANEW:
        metadata.pop(name, None)


def _object(target: str, value: Any) -> Mapping[str, Any]:
    """The object that a column holds, as JSON in a CSV."""
    if isinstance(value, str):
        try:
            value = bounded_json.loads(value.encode())
        except ValueError:
            raise InvalidInput(f"{target} must be a JSON object, not {quoted(value)}") from None
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{target} must be a JSON object, not {quoted(value)}")
    plain: Mapping[str, Any] = _plain(value)
    return plain


def _plain(value: Any) -> Any:
    """The same with floats, which JSON can hold, where the file's numbers were taken as they are written."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _count(value: Any) -> Any:
    """The number that a text says; else the value itself."""
    if type(value) is not str:
        return value
    if len(value) <= 12 and value.isascii() and value.isdecimal():
        return int(value)
    number = number_in(value)
    return value if number is None else number


def _text(target: str, value: Any) -> str | None:
    """A name as text: a phone, say, may be a number in JSON."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise InvalidInput(f"{target} must be a text, not {type(value).__name__}")
    return str(value)
