"""The values of a record as arguments of make_call(), which checks them like those of any other call.

Only the notations of files are read here: CSV has nothing but text, a phone may be a number in JSON, and
times are written in many ways.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from analytics.calls.validation import checked_count, number_in, quoted
from analytics.errors import InvalidInput

TARGETS = (
    "id",
    "created_at",
    "source",
    "model",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cost_usd",
    "conversation_id",
    "phone",
    "duration_seconds",
)
"""What a column or a constant may fill. duration_seconds is kept in the metadata."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_NANOSECONDS = 10**20
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


class CallParser:
    """Makes the arguments of make_call() from values in the order of `targets`."""

    def __init__(self, targets: Sequence[str], constants: Mapping[str, str], timezone: tzinfo) -> None:
        self._targets = targets
        self._constants = constants
        self._timezone = timezone

    def parse(self, values: Sequence[Any]) -> dict[str, Any]:
        """The arguments that the record has, `created_at` in UTC; empty values count as left out.

        Raises:
            InvalidInput: a time cannot be read, a count is none, or a name is neither text nor number.
        """
        fields: dict[str, Any] = dict(self._constants)
        for target, value in zip(self._targets, values, strict=True):
            if type(value) is str:
                value = value.strip()
            if value is not None and value != "":
                fields[target] = value
        given = fields.get
        # Strict, other than with a provider's usage: an odd count is a column that was taken for another.
        usage = {name: checked_count(name, _count(fields[name])) for name in _COUNTS if name in fields}
        return {
            "created_at": self._instant(given("created_at")),
            "source": _text("source", given("source")),
            "model": _text("model", given("model")),
            "conversation_id": _text("conversation_id", given("conversation_id")),
            "phone": _text("phone", given("phone")),
            "id": _text("id", given("id")),
            "usage": usage,
            "cost_usd": given("cost_usd"),
            "duration_seconds": given("duration_seconds"),
        }

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
