"""From the values of a record to a call, or to the reason why it is none.

What PostgreSQL or one of our constraints would refuse is refused here, row by row, so that one bad row never
takes its batch with it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple
from uuid import UUID

from analytics.calls.row import (
    EARLIEST,
    LATEST,
    MAX_COST_USD,
    MAX_SECONDS,
    MAX_TOKENS,
    call_uuid,
    conversation_uuid,
    is_uuid,
    refused_text,
)
from analytics.pricing.price_list import COST_DECIMALS, Cost, PriceList, Usage

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
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d{1,3})?", re.ASCII)


class UnreadableRow(Exception):
    """This row cannot become a call; the message is the reason."""


class Call(NamedTuple):
    """A call as the file has it. Times are UTC; `cost_usd` is None where it is to be calculated."""

    given_id: str | None
    created_at: datetime
    source: str
    model: str | None
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost_usd: Decimal | None
    conversation_id: str | None
    conversation_name: str | None
    """The file's own name of the conversation, where that is not a UUID."""
    phone: str | None
    duration_seconds: Decimal | None

    def cost(self, prices: PriceList, client_id: UUID) -> Cost:
        """What the call cost the client by the price lists at its own time."""
        return prices.cost(
            source=self.source,
            model=self.model,
            at=self.created_at,
            usage=Usage(self.prompt_tokens, self.completion_tokens, self.total_tokens, self.duration_seconds),
            client_id=client_id,
        )


class CallParser:
    """Makes calls of one client from values in the order of `targets`."""

    def __init__(
        self, targets: Sequence[str], constants: Mapping[str, str], timezone: tzinfo, client_id: UUID
    ) -> None:
        self._targets = targets
        self._constants = constants
        self._timezone = timezone
        self._client_id = client_id

    def parse(self, values: Sequence[Any]) -> Call:
        """The call.

        Raises:
            UnreadableRow: a value cannot be used; the message names it.
        """
        fields: dict[str, Any] = dict(self._constants)
        for target, value in zip(self._targets, values, strict=True):
            if type(value) is str:
                value = value.strip()
            if value is not None and value != "":
                fields[target] = value
        given = fields.get
        prompt, completion, total = _tokens(
            given("prompt_tokens"), given("completion_tokens"), given("total_tokens")
        )
        conversation_id, conversation_name = self._conversation(given("conversation_id"))
        return Call(
            self._id(given("id")),
            self._instant(given("created_at")),
            _source(given("source")),
            _text("model", given("model")),
            prompt,
            completion,
            total,
            _amount("cost_usd", given("cost_usd"), MAX_COST_USD),
            conversation_id,
            conversation_name,
            _text("phone", given("phone")),
            _amount("duration_seconds", given("duration_seconds"), MAX_SECONDS),
        )

    def _id(self, value: Any) -> str | None:
        text = _text("id", value)
        if text is None or is_uuid(text):
            return text
        return str(call_uuid(self._client_id, text))

    def _conversation(self, value: Any) -> tuple[str | None, str | None]:
        text = _text("conversation_id", value)
        if text is None or is_uuid(text):
            return text, None
        return str(conversation_uuid(self._client_id, text)), text

    def _instant(self, value: Any) -> datetime:
        if value is None:
            raise UnreadableRow("no created_at")
        try:
            instant = _parsed_instant(value)
            if instant.tzinfo is None:
                instant = instant.replace(tzinfo=self._timezone)
            instant = instant.astimezone(UTC)
        except (ValueError, OverflowError, TypeError):
            raise UnreadableRow(f"created_at is not a time: {_shown(value)}") from None
        if not EARLIEST <= instant < LATEST:
            raise UnreadableRow(
                f"created_at is not between {EARLIEST.year} and {LATEST.year}: {_shown(value)}"
            )
        return instant


def _parsed_instant(value: Any) -> datetime:
    """A time in ISO 8601, or in seconds, milli-, micro- or nanoseconds since 1970, as its size tells."""
    if type(value) is str:
        is_number = value[4:5] != "-" and len(value) != len("20240131") and _NUMBER.fullmatch(value)
        if not is_number:
            return datetime.fromisoformat(value)
    elif isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise TypeError
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError
    for _finer_unit in range(3):
        if abs(number) >= 100_000_000_000:  # as seconds: the year 5138
            number /= 1000
    return _EPOCH + timedelta(microseconds=int(number * 1_000_000))


def _tokens(prompt: Any, completion: Any, total: Any) -> tuple[int, int, int]:
    prompt_tokens = _count("prompt_tokens", prompt)
    completion_tokens = _count("completion_tokens", completion)
    if total is None:
        total_tokens = prompt_tokens + completion_tokens
        if total_tokens > MAX_TOKENS:
            raise UnreadableRow(f"total_tokens is more than {MAX_TOKENS:,}: {total_tokens}")
        return prompt_tokens, completion_tokens, total_tokens
    total_tokens = _count("total_tokens", total)
    # The one part that the file lacks is what the other leaves of the total.
    if completion is None and prompt is not None:
        completion_tokens = max(total_tokens - prompt_tokens, 0)
    elif prompt is None and completion is not None:
        prompt_tokens = max(total_tokens - completion_tokens, 0)
    return prompt_tokens, completion_tokens, total_tokens


def _count(target: str, value: Any) -> int:
    if value is None:
        return 0
    if type(value) is str and len(value) <= 12 and value.isascii() and value.isdecimal():
        return int(value)
    number = _number(target, value)
    if number < 0:
        raise UnreadableRow(f"{target} is negative: {_shown(value)}")
    if number > MAX_TOKENS:
        raise UnreadableRow(f"{target} is more than {MAX_TOKENS:,}: {_shown(value)}")
    if number != int(number):
        raise UnreadableRow(f"{target} is not a whole number: {_shown(value)}")
    return int(number)


def _amount(target: str, value: Any, most: Decimal) -> Decimal | None:
    if value is None:
        return None
    number = _number(target, value)
    if number < 0:
        raise UnreadableRow(f"{target} is negative: {_shown(value)}")
    if number > most:
        raise UnreadableRow(f"{target} is more than {most:,}: {_shown(value)}")
    return round(number, COST_DECIMALS) if int(number.as_tuple().exponent) < -COST_DECIMALS else number


def _number(target: str, value: Any) -> Decimal:
    if isinstance(value, bool) or (type(value) is str and not _NUMBER.fullmatch(value)):
        raise UnreadableRow(f"{target} is not a number: {_shown(value)}")
    try:
        number = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        raise UnreadableRow(f"{target} is not a number: {_shown(value)}") from None
    if not number.is_finite():
        raise UnreadableRow(f"{target} is not a finite number: {_shown(value)}")
    return number


def _source(value: Any) -> str:
    text = _text("source", value)
    if text is None:
        raise UnreadableRow("no source")
    return text.lower()


def _text(target: str, value: Any) -> str | None:
    if value is None:
        return None
    if type(value) is not str:
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            raise UnreadableRow(f"{target} is not a text: {_shown(value)}")
        value = str(value)
    if reason := refused_text(value):
        raise UnreadableRow(f"{target} {reason}: {_shown(value)}")
    return str(value)


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, (int, Decimal)) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
