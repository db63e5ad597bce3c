"""One call as an application describes it, checked and priced: the line that becomes its row.

The tracker, the API and the import make their calls here, so a call is the same row whichever way it comes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from analytics.calls.row import (
    COST_NOTHING,
    FAILED,
    MAX_COST_USD,
    MAX_SECONDS,
    NO_FACTS,
    NOT_UNDERSTOOD,
    USAGE_MISSING,
    Facts,
    copy_line,
    cost_of_payer,
    guessed,
    requests_in,
    with_facts_in,
)
from analytics.calls.usage_objects import read_usage
from analytics.calls.validation import (
    checked_amount,
    checked_facts,
    checked_id,
    checked_instant,
    checked_json,
    checked_metadata,
    checked_names,
    checked_tags,
    checked_text,
    new_id,
    response_call_id,
)
from analytics.errors import InvalidInput
from analytics.pricing.price_list import ONE_REQUEST, Cost, PriceList, unpriced

# The price of a cost that the application gave: no list is behind it.
_NO_PRICE: Mapping[str, str] = {}


class Call(NamedTuple):
    """A call that can be stored."""

    id: UUID
    line: str
    """As row.copy_line() writes it."""
    is_unpriced: bool


def make_call(
    prices: PriceList,
    client_id: UUID | str | None,
    source: str,
    model: str | None,
    *,
    conversation_id: UUID | str | None = None,
    phone: str | None = None,
    usage: object = None,
    duration_seconds: Decimal | float | None = None,
    tokens_estimated: bool = False,
    cost_usd: Decimal | float | None = None,
    id: UUID | str | None = None,
    created_at: datetime | None = None,
    service_tier: str | None = None,
    operation: str | None = None,
    outcome: str | None = None,
    latency_ms: float | None = None,
    time_to_first_token_ms: float | None = None,
    operation_id: UUID | str | None = None,
    attempt: int | None = None,
    response_id: str | None = None,
    account: str | None = None,
    stated_cost_usd: Decimal | float | None = None,
    plan: str | None = None,
    tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    must_be_known: bool = False,
) -> Call:
    """The call, priced by `prices`; the arguments are those of log_usage().

    What an argument says goes before what the response says. With `must_be_known` a usage object of which no
    field is known is refused; otherwise the call is kept as unpriced.

    Raises:
        InvalidInput: an argument is impossible; the message begins with its name.
    """
    at = datetime.now(UTC) if created_at is None else checked_instant(created_at)
    amounts, extra, missing, told, answered_by, not_understood = read_usage(usage, source, model)
    is_object_without_usage = bool(not_understood) or usage == {}
    if must_be_known and is_object_without_usage and missing is not None and duration_seconds is None:
        raise InvalidInput(f"usage: {missing}")
    given = (
        *(latency_ms, time_to_first_token_ms, operation_id, attempt, response_id, stated_cost_usd),
        *(operation, outcome, service_tier, account),
    )
    facts = told if given == NO_FACTS else checked_facts(Facts._make(given), told)
    if metadata is not None:
        metadata = checked_metadata(metadata)
        amounts, facts = with_facts_in(metadata, amounts, facts)
        tokens_estimated = tokens_estimated or metadata.get("tokens_estimated") is True
    client, source, model, names = checked_names(
        client_id, conversation_id, phone, source, model or answered_by, facts[6:], checked_tags(tags)
    )
    call_id = None if id is None else checked_id(client, id)
    if call_id is None and facts.response_id is not None:
        call_id = response_call_id(client, source, facts.response_id)
    if call_id is None:
        call_id = new_id()
    if metadata is not None:
        extra = {**metadata, **extra}
    if duration_seconds is not None:
        amounts = amounts._replace(
            duration_seconds=checked_amount("duration_seconds", duration_seconds, MAX_SECONDS)
        )
    if amounts.duration_seconds is not None:
        missing = None
    if tokens_estimated:
        extra = {**extra, "tokens_estimated": True}
    if not_understood:
        extra = {**extra, NOT_UNDERSTOOD: dict(not_understood)}
    if USAGE_MISSING in extra:  # of an imported call; one that tells its usage misses none
        missing = None if missing is None else str(extra[USAGE_MISSING])
        extra = {name: value for name, value in extra.items() if name != USAGE_MISSING}
    if cost_usd is not None:
        amount, basis, price = checked_amount("cost_usd", cost_usd, MAX_COST_USD), "given", _NO_PRICE
    else:
        cost: Cost
        if missing is not None:
            extra = {**extra, USAGE_MISSING: missing}
            cost = FAILED if facts.outcome in COST_NOTHING else unpriced(missing)
        else:
            cost = prices.cost(
                source=source,
                model=model,
                at=at,
                usage=amounts,
                client_id=client,
                tokens_estimated=tokens_estimated,
                service_tier=facts.service_tier,
                requests=ONE_REQUEST if metadata is None else requests_in(metadata, amounts),
            )
            if NOT_UNDERSTOOD in extra:
                cost = guessed(cost)
        cost = cost_of_payer(checked_text("plan", plan), cost, facts.stated_cost_usd)
        amount, basis, price = cost.amount_usd, str(cost.basis), cost.price
    line = copy_line(call_id.hex, at, amounts, amount, basis, checked_json(extra, price), facts, names)
    return Call(call_id, line, basis == "unpriced")
