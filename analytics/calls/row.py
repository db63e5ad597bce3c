"""One row of usage_logs, before it is one: its limits, its ids, and its line for COPY.

The tracker, the API and the import all make this line, so a call is the same row whichever way it comes.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from analytics.days import MAX_YEAR, MIN_YEAR
from analytics.pricing.price_list import DETAILS, Cost, PriceList, Usage, unpriced

MAX_TOKENS = 1_000_000_000_000  # usage_logs_tokens_are_not_negative
MAX_COST_USD = Decimal(1_000_000_000_000)
MAX_SECONDS = Decimal(1_000_000_000)
# An index entry must stay below 2,700 bytes, and one holds a source, a model and 4 bytes per character.
MAX_TEXT = 200
EARLIEST = datetime(MIN_YEAR, 1, 1, tzinfo=UTC)
LATEST = datetime(MAX_YEAR + 1, 1, 1, tzinfo=UTC)

USAGE_MISSING = "usage_missing"
"""Key of the metadata: why the usage of a call is unknown. Such a call is unpriced, not free."""

UNASSIGNED_CLIENT = UUID(int=0)
"""The client of calls that name none: unassigned_client_id() of the database."""

_NULL = "\\N"
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_ESCAPED = re.compile(r"\\([\\tnr])")
_UNESCAPED = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}
_UUID = re.compile(
    r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.ASCII | re.IGNORECASE
)


class Row(NamedTuple):
    """A call as usage_logs keeps it, and the name of its conversation; in the order of a line."""

    id: str
    created_at: datetime
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost_usd: Decimal
    cost_basis: str
    metadata: dict[str, Any] | None
    source: str
    model: str | None
    client_id: str | None
    """None: the database puts the unassigned client there."""
    conversation_id: str | None
    phone: str | None
    conversation_name: str | None
    """The application's own name of the conversation, where that is no UUID."""


def copy_line(
    call_id: str,
    created_at: datetime,
    prompt_tokens: int,
    completion_tokens: int,
    total_tokens: int,
    cost_usd: Decimal,
    cost_basis: str,
    metadata: str | None,
    names: str,
) -> str:
    """The row in COPY's text format. Ids are UUIDs with or without hyphens, `metadata` is JSON.

    `names` is what copy_names() made of the last six fields, the same again and again. A whole line at once
    takes a tenth of what giving the values to the driver one by one does.
    """
    if metadata is None:
        metadata = _NULL
    elif "\\" in metadata:  # JSON has no other character that COPY escapes
        metadata = metadata.replace("\\", r"\\")
    return (
        f"{call_id}\t{created_at.isoformat()}\t{prompt_tokens}\t{completion_tokens}\t{total_tokens}\t"
        f"{cost_usd!s}\t{cost_basis}\t{metadata}\t{names}\n"
    )


@lru_cache(maxsize=10_000)
def copy_names(
    source: str,
    model: str | None,
    client_id: str | None,
    conversation_id: str | None,
    phone: str | None,
    conversation_name: str | None,
) -> str:
    """The fields of a line that name things: source, model, client, conversation, phone."""
    texts = (source, model, client_id, conversation_id, phone, conversation_name)
    return "\t".join(_NULL if text is None else text.translate(_ESCAPES) for text in texts)


def row_of(line: str) -> Row:
    """The row of a line from copy_line()."""
    (call_id, created_at, prompt, completion, total, cost, basis, metadata, source, *rest) = (
        None if field == _NULL else _ESCAPED.sub(lambda found: _UNESCAPED[found[1]], field)
        for field in line.rstrip("\n").split("\t")
    )
    return Row(
        str(call_id),
        datetime.fromisoformat(str(created_at)),
        int(prompt or 0),
        int(completion or 0),
        int(total or 0),
        Decimal(cost or 0),
        str(basis),
        None if metadata is None else json.loads(metadata),
        str(source),
        *rest,
    )


def line_of(row: Row) -> str:
    """The line of a row: row_of() reads it back."""
    metadata = None if row.metadata is None else json.dumps(row.metadata)
    return copy_line(*row[:7], metadata, copy_names(*row[8:]))


def moved_line(line: str, created_at: datetime) -> str:
    """The line of the same call at another time."""
    call_id, _, rest = line.split("\t", 2)
    return f"{call_id}\t{created_at.isoformat()}\t{rest}"


def repriced_line(line: str, prices: PriceList) -> str:
    """The line with cost and basis by this list; a call whose writer gave the cost keeps it."""
    row = row_of(line)
    metadata = row.metadata or {}
    if row.cost_basis == "given":
        return line
    cost = price_of_row(
        prices,
        client_id=row.client_id,
        source=row.source,
        model=row.model,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        total_tokens=row.total_tokens,
        metadata=metadata,
        created_at=row.created_at,
    )
    priced = row._replace(
        cost_usd=cost.amount_usd,
        cost_basis=cost.basis,
        metadata=metadata | {"price": dict(cost.price)},
    )
    return line_of(priced)


def price_of_row(
    prices: PriceList,
    *,
    client_id: UUID | str | None,
    source: str,
    model: str | None,
    prompt_tokens: int,
    completion_tokens: int,
    total_tokens: int,
    metadata: Mapping[str, Any] | None,
    created_at: datetime,
) -> Cost:
    """The cost of a stored call by this list."""
    metadata = metadata or {}
    if reason := metadata.get(USAGE_MISSING):
        return unpriced(str(reason))
    seconds = metadata.get("duration_seconds")
    details = {name: metadata[name] for name in DETAILS if _is_count(metadata.get(name))}
    return prices.cost(
        source=source,
        model=model,
        at=created_at,
        usage=Usage(
            prompt_tokens,
            completion_tokens,
            total_tokens,
            Decimal(str(seconds)) if _is_amount(seconds) else None,
            details,
        ),
        client_id=client_id,
        tokens_estimated=metadata.get("tokens_estimated") is True,
        service_tier=str(metadata["service_tier"]) if metadata.get("service_tier") else None,
    )


def _is_count(value: object) -> bool:
    # Other writers may use the same name in the metadata for something else.
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_amount(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return False
    return 0 <= value <= MAX_SECONDS  # false for NaN


def json_number(number: Decimal) -> int | float:
    """The number as JSON has it in the metadata."""
    return int(number) if number == number.to_integral_value() else float(number)


def is_uuid(text: str) -> bool:
    """Whether PostgreSQL reads the text as a UUID, with or without its hyphens."""
    return _UUID.fullmatch(text) is not None


def call_uuid(client_id: UUID, key: str) -> UUID:
    """The id of a call whose application gives it a key that is no UUID."""
    return uuid5(client_id, f"usage log {key}")


# Many calls of few conversations.
@lru_cache(maxsize=10_000)
def conversation_uuid(client_id: UUID, name: str) -> UUID:
    """The id of a conversation whose application gives it a name that is no UUID."""
    return uuid5(client_id, f"conversation {name}")


# The same few sources, models and phones come again and again.
@lru_cache(maxsize=10_000)
def refused_text(text: str) -> str | None:
    """Why a text cannot be stored, or None."""
    if len(text) > MAX_TEXT:
        return f"is longer than {MAX_TEXT} characters"
    if "\0" in text:
        return "holds a NUL character"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "holds half a character (a lone surrogate)"
    return None
