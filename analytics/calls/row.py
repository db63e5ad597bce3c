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

from analytics.calls.operations import operation_name
from analytics.days import MAX_YEAR, MIN_YEAR
from analytics.pricing.explained import UNKNOWN_PLAN
from analytics.pricing.price_list import (
    DETAILS,
    ONE_REQUEST,
    Cost,
    PriceList,
    Requests,
    Usage,
    unpriced,
)

MAX_TOKENS = 1_000_000_000_000  # usage_logs_tokens_are_not_negative
MAX_COST_USD = Decimal(1_000_000_000_000)
MAX_SECONDS = Decimal(1_000_000_000)
MAX_MILLISECONDS = Decimal(2_000_000_000)
MAX_ATTEMPTS = 1_000_000
MAX_TAGS = 20  # keys of one call
# An index entry must stay below 2,700 bytes, and one holds a source, a model and 4 bytes per character.
MAX_TEXT = 200
EARLIEST = datetime(MIN_YEAR, 1, 1, tzinfo=UTC)
LATEST = datetime(MAX_YEAR + 1, 1, 1, tzinfo=UTC)

USAGE_MISSING = "usage_missing"
"""Key of the metadata: why the usage of a call is unknown. Such a call is unpriced, not free."""

NOT_UNDERSTOOD = "usage_not_understood"
"""Key of the metadata: the fields of the usage object that no meter is known for, or that cannot be, each
with what was done about it. The object itself is then kept under "usage", and the cost is an estimate."""

BUCKET = "bucket"
"""Key of the metadata of a row that is the sum of several requests: {"requests": how many, "from_at",
"until_at", "prompt_tokens_each": how long prompts are}, each where it is told. The database keeps the number,
or 1, as bucket_request_count, and sums count as many."""

COST_NOTHING = ("error", "refused")
"""Outcomes of calls that cost nothing where no usage is told."""
FAILED = Cost(Decimal(0), "priced", "it failed, and no usage is told", {"reason": "failed: nothing to pay"})

BY_THE_TOKEN = frozenset({"", "none", "no", "false", "api", "0"})
"""Names of no plan: tokens are paid for."""

KEPT_BASES = ("given", "plan")
"""Bases of costs that no price list changes."""

UNASSIGNED_CLIENT = UUID(int=0)
"""The client of calls that name none: unassigned_client_id() of the database."""

NULL = "\\N"
"""Nothing, as COPY has it."""
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_ESCAPED = re.compile(r"\\([\\tnr])")
_UNESCAPED = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_UUID = re.compile(
    r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.ASCII | re.IGNORECASE
)


OUTCOMES = ("ok", "error", "refused", "cut")
"""ok: answered · error: failed · refused: provider or model said no · cut: a stream that broke off."""


class Facts(NamedTuple):
    """What is known of a call beside its usage; None is unknown. In the order of a line."""

    latency_ms: int | None = None
    """Milliseconds from the request to the end of the answer."""
    time_to_first_token_ms: int | None = None
    operation_id: str | None = None
    """What retries and fallbacks of one operation share."""
    attempt: int | None = None
    """1 is the first attempt at the operation."""
    response_id: str | None = None
    """The provider's own id of the response."""
    stated_cost_usd: Decimal | None = None
    """What the provider or a gateway says that the call cost."""
    operation: str | None = None
    """As OpenTelemetry names it: chat, embeddings, transcription, ..."""
    outcome: str | None = None
    """One of OUTCOMES."""
    service_tier: str | None = None
    account: str | None = None
    """The provider's account or project that pays."""


NO_FACTS = Facts()


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
    details: Mapping[str, int]
    """As those of a Usage: a field of the line for each of DETAILS."""
    duration_seconds: Decimal | None
    facts: Facts
    """A field of the line for each."""
    source: str
    model: str | None
    tags: dict[str, str] | None
    client_id: str | None
    """None: the database puts the unassigned client there."""
    conversation_id: str | None
    phone: str | None
    conversation_name: str | None
    """The application's own name of the conversation, where that is no UUID."""


_USAGE_COLUMNS = (
    *("id", "created_at", "prompt_tokens", "completion_tokens", "total_tokens", "cost_usd", "cost_basis"),
    *("metadata", *DETAILS, "duration_seconds", *Facts._fields),
)
LINE_COLUMNS = (
    *(*_USAGE_COLUMNS, "source", "model", "tags", "client_id", "conversation_id", "phone"),
    "conversation_name",
)
"""The fields of a line, in order. Each but tags and conversation_name is a column of usage_logs."""


def copy_line(
    call_id: str,
    created_at: datetime,
    usage: Usage,
    cost_usd: Decimal,
    cost_basis: str,
    metadata: str | None,
    facts: Facts,
    names: str,
) -> str:
    """The row in COPY's text format. Ids are UUIDs with or without hyphens, `metadata` is JSON.

    `names` is what copy_names() made of the last fields, the same again and again. A whole line at once
    takes a tenth of what giving the values to the driver one by one does.
    """
    if metadata is None:
        metadata = NULL
    elif "\\" in metadata:  # JSON has no other character that COPY escapes
        metadata = metadata.replace("\\", r"\\")
    prompt, completion, total, seconds, details = usage
    parts = parts_line(details)
    if facts is NO_FACTS or facts[:6] == _NO_NUMBERS:
        told = _NO_TOLD
    else:
        told = "\t".join([NULL if value is None else str(value).translate(_ESCAPES) for value in facts[:6]])
    return (
        f"{call_id}\t{created_at.isoformat()}\t{prompt}\t{completion}\t{total}\t{cost_usd!s}\t{cost_basis}\t"
        f"{metadata}\t{parts}\t{NULL if seconds is None else seconds}\t{told}\t{names}\n"
    )


def parts_line(details: Mapping[str, int]) -> str:
    """The fields of a line for DETAILS."""
    return _parts_line(tuple(details)) % details if details else _NO_PARTS


# Calls know the same few parts again and again.
@lru_cache(maxsize=1_000)
def _parts_line(known: tuple[str, ...]) -> str:
    """The fields of DETAILS, with a place for each part that is known."""
    return "\t".join(f"%({name})d" if name in known else NULL for name in DETAILS)


_NO_PARTS = "\t".join([NULL] * len(DETAILS))
_NO_NUMBERS = NO_FACTS[:6]
_NO_TOLD = "\t".join([NULL] * 6)


@lru_cache(maxsize=10_000)
def copy_names(
    operation: str | None,
    outcome: str | None,
    service_tier: str | None,
    account: str | None,
    source: str,
    model: str | None,
    tags: str | None,
    client_id: str | None,
    conversation_id: str | None,
    phone: str | None,
    conversation_name: str | None,
) -> str:
    """The fields of a line that name things, from the operation on; `tags` is JSON."""
    return copy_texts(
        *(operation, outcome, service_tier, account, source, model, tags),
        *(client_id, conversation_id, phone, conversation_name),
    )


def copy_texts(*texts: str | None) -> str:
    """Fields of a line that are texts."""
    return "\t".join([NULL if text is None else text.translate(_ESCAPES) for text in texts])


def row_of(line: str) -> Row:
    """The row of a line from copy_line(), also of one from before calls kept their facts."""
    fields = [None if field == NULL else unescaped(field) for field in line.rstrip("\n").split("\t")]
    (call_id, created_at, prompt, completion, total, cost, basis, metadata_text), fields = (
        fields[:8],
        fields[8:],
    )
    metadata = None if metadata_text is None else json.loads(metadata_text)
    if len(fields) == _OLD_NAMES:
        usage, facts, tags = _known_of(metadata), _facts_of(metadata), None
        details, seconds = usage.details, usage.duration_seconds
        source, model, *rest = fields
    else:
        numbers, (seconds_text, *fields) = fields[: len(DETAILS)], fields[len(DETAILS) :]
        details = {name: int(text) for name, text in zip(DETAILS, numbers, strict=True) if text is not None}
        seconds = None if seconds_text is None else Decimal(seconds_text)
        latency, first_token, operation_id, attempt, response_id, stated, *fields = fields
        facts = Facts(
            None if latency is None else int(latency),
            None if first_token is None else int(first_token),
            operation_id,
            None if attempt is None else int(attempt),
            response_id,
            None if stated is None else Decimal(stated),
            *fields[:4],
        )
        source, model, tags_text, *rest = fields[4:]
        tags = None if tags_text is None else json.loads(tags_text)
    return Row(
        str(call_id),
        datetime.fromisoformat(str(created_at)),
        int(prompt or 0),
        int(completion or 0),
        int(total or 0),
        Decimal(cost or 0),
        str(basis),
        metadata,
        details,
        seconds,
        facts,
        str(source),
        model,
        tags,
        *rest,
    )


_OLD_NAMES = 6


def unescaped(field: str) -> str:
    """The text of a field of a line."""
    return _ESCAPED.sub(lambda found: _UNESCAPED[found[1]], field) if "\\" in field else field


def line_of(row: Row) -> str:
    """The line of a row: row_of() reads it back."""
    return copy_line(
        row.id,
        row.created_at,
        usage_of(row),
        row.cost_usd,
        row.cost_basis,
        None if row.metadata is None else json.dumps(row.metadata),
        row.facts,
        copy_names(*row.facts[6:], row.source, row.model, tags_json(row.tags), *row[-4:]),
    )


def current_line(line: str) -> str:
    """The line as copy_line() writes it today: one that waited since before calls kept their facts."""
    return line if line.count("\t") == len(LINE_COLUMNS) - 1 else line_of(row_of(line))


def usage_of(row: Row) -> Usage:
    return Usage(
        row.prompt_tokens, row.completion_tokens, row.total_tokens, row.duration_seconds, row.details
    )


def tags_json(tags: Mapping[str, str] | None) -> str | None:
    """Tags as JSON, in the order of their keys, so that equal ones are equal texts."""
    return json.dumps(tags, sort_keys=True, separators=(",", ":")) if tags else None


def moved_line(line: str, created_at: datetime) -> str:
    """The line of the same call at another time."""
    call_id, _, rest = line.split("\t", 2)
    return f"{call_id}\t{created_at.isoformat()}\t{rest}"


def repriced_line(line: str, prices: PriceList) -> str:
    """The line with cost and basis by this list.

    A call whose writer gave the cost keeps it, and so does one that a subscription pays; so does one whose
    provider stated it, where no list has one.
    """
    row = row_of(line)
    metadata = row.metadata or {}
    price = metadata.get("price")
    is_stated = isinstance(price, dict) and price.get("list") == "stated"
    if row.cost_basis in KEPT_BASES and not is_stated:
        return line
    cost = price_of_row(
        prices,
        client_id=row.client_id,
        source=row.source,
        model=row.model,
        usage=usage_of(row),
        service_tier=row.facts.service_tier,
        outcome=row.facts.outcome,
        metadata=metadata,
        created_at=row.created_at,
    )
    if cost.basis == "unpriced" and is_stated:
        return line
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
    usage: Usage,
    service_tier: str | None,
    outcome: str | None,
    metadata: Mapping[str, Any] | None,
    created_at: datetime,
) -> Cost:
    """The cost of a stored call by this list."""
    metadata = metadata or {}
    if reason := metadata.get(USAGE_MISSING):
        return FAILED if outcome in COST_NOTHING else unpriced(str(reason))
    cost = prices.cost(
        source=source,
        model=model,
        at=created_at,
        usage=usage,
        client_id=client_id,
        tokens_estimated=metadata.get("tokens_estimated") is True,
        service_tier=service_tier,
        requests=requests_in(metadata, usage),
    )
    if NOT_UNDERSTOOD in metadata:
        cost = guessed(cost)
    return _paid_by(UNKNOWN_PLAN, cost) if is_payer_unknown(metadata.get("price")) else cost


def cost_of_payer(plan: str | None, cost: Cost, stated_cost_usd: Decimal | None) -> Cost:
    """The cost of a call that this plan pays, its tokens would cost that much by the lists, and whoever
    answered it states the other; where tokens are paid for and no list has a price, that is the cost."""
    if cost is FAILED:
        return cost
    if plan is not None and plan.lower() not in BY_THE_TOKEN:
        return _paid_by(plan, cost)
    if cost.basis == "unpriced" and stated_cost_usd is not None:
        return Cost(stated_cost_usd, "given", price={"list": "stated", **cost.price})
    return cost


def is_payer_unknown(price: object) -> bool:
    """Whether the price of a call's metadata says that nobody knows what pays."""
    return isinstance(price, Mapping) and price.get("plan") == UNKNOWN_PLAN


def _paid_by(plan: str, cost: Cost) -> Cost:
    """The cost of a call that a subscription pays, or may pay. What its tokens would cost is not money."""
    worth = {} if cost.basis == "unpriced" else {"at_list_prices_usd": f"{cost.amount_usd.normalize():f}"}
    if plan != UNKNOWN_PLAN:
        return Cost(Decimal(0), "plan", price={"list": "plan", "plan": plan, **worth})
    if worth and not cost.amount_usd:
        return cost  # nothing, whoever pays
    return Cost(Decimal(0), "unpriced", price={"plan": plan, **worth})


def requests_in(metadata: Mapping[str, Any], usage: Usage) -> Requests:
    """What the usage is the sum of: of one request, unless the metadata say that it is of a bucket."""
    bucket = metadata.get(BUCKET)
    if not isinstance(bucket, Mapping):
        return ONE_REQUEST
    told, length = bucket.get("requests"), bucket.get("prompt_tokens_each")
    count = told if _is_count(told) and told else 1
    if _is_count(length):
        return Requests(count, length)
    average = usage.prompt_tokens // count if count == told else 0
    return Requests(count, average, is_average=count != 1 or count != told)


def guessed(cost: Cost) -> Cost:
    """The cost of a call of whose usage something was not understood."""
    return cost._replace(basis="estimated") if cost.basis == "priced" else cost


def _known_of(metadata: Mapping[str, Any] | None) -> Usage:
    """What the metadata of a call from before knows of its usage."""
    metadata = metadata if isinstance(metadata, dict) else {}
    seconds = metadata.get("duration_seconds")
    return Usage(
        duration_seconds=Decimal(str(seconds)) if _is_amount(seconds) else None,
        details={name: metadata[name] for name in DETAILS if _is_count(metadata.get(name))},
    )


def with_facts_in(metadata: Mapping[str, Any], usage: Usage, facts: Facts) -> tuple[Usage, Facts]:
    """Usage and facts, with those that only the metadata tells, by the names of the columns.

    complete_usage_log() does so for every writer: a call costs what it does when it is priced again.
    """
    if _FACTS_IN_METADATA.isdisjoint(metadata):
        return usage, facts
    known, told = _known_of(metadata), _facts_of(metadata)
    seconds = known.duration_seconds if usage.duration_seconds is None else usage.duration_seconds
    return (
        usage._replace(duration_seconds=seconds, details={**known.details, **usage.details}),
        facts._replace(
            operation=facts.operation or told.operation, service_tier=facts.service_tier or told.service_tier
        ),
    )


_FACTS_IN_METADATA = frozenset({*DETAILS, "duration_seconds", "operation", "service_tier"})


def _facts_of(metadata: Mapping[str, Any] | None) -> Facts:
    metadata = metadata if isinstance(metadata, dict) else {}
    told = (metadata.get("operation"), metadata.get("service_tier"))
    operation, tier = (text if isinstance(text, str) and _fits(text) else None for text in told)
    return Facts(operation=None if operation is None else operation_name(operation), service_tier=tier)


def _fits(text: str) -> bool:
    return bool(text.strip()) and refused_text(text) is None


def _is_count(value: object) -> bool:
    # Other writers may use the same name in the metadata for something else.
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS


def _is_amount(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return False
    return 0 <= value <= MAX_SECONDS  # false for NaN


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
    if not text.isascii() and _SURROGATE.search(text):
        return "holds half a character (a lone surrogate)"
    return None
