"""One call as an application describes it, checked and priced: the line that becomes its row.

The tracker, the API and the import make their calls here, so a call is the same row whichever way it comes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from analytics.calls.row import MAX_COST_USD, MAX_SECONDS, USAGE_MISSING, copy_line, json_number
from analytics.calls.usage_objects import read_usage
from analytics.calls.validation import (
    checked_amount,
    checked_id,
    checked_instant,
    checked_json,
    checked_metadata,
    checked_names,
    checked_text,
    new_id,
)
from analytics.pricing.price_list import PriceList, unpriced

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
    metadata: Mapping[str, Any] | None = None,
) -> Call:
    """The call, priced by `prices`; the arguments are those of log_usage().

    Raises:
        InvalidInput: an argument is impossible; the message begins with its name.
    """
    client, source, model, names = checked_names(client_id, conversation_id, phone, source, model)
    at = datetime.now(UTC) if created_at is None else checked_instant(created_at)
    call_id = new_id() if id is None else checked_id(client, id)
    amounts, extra, missing = read_usage(usage)
    if metadata is not None:
        extra = {**checked_metadata(metadata), **extra}
    if duration_seconds is not None:
        amounts = amounts._replace(
            duration_seconds=checked_amount("duration_seconds", duration_seconds, MAX_SECONDS)
        )
    if amounts.duration_seconds is not None:
        extra = {**extra, "duration_seconds": json_number(amounts.duration_seconds)}
        missing = None
    if tokens_estimated:
        extra = {**extra, "tokens_estimated": True}
    if service_tier is not None:
        extra = {**extra, "service_tier": checked_text("service_tier", service_tier)}
    if cost_usd is not None:
        amount, basis, price = checked_amount("cost_usd", cost_usd, MAX_COST_USD), "given", _NO_PRICE
    else:
        if missing is not None:
            extra = {**extra, USAGE_MISSING: missing}
            cost = unpriced(missing)
        else:
            cost = prices.cost(
                source=source,
                model=model,
                at=at,
                usage=amounts,
                client_id=client,
                tokens_estimated=tokens_estimated,
                service_tier=service_tier,
            )
        amount, basis, price = cost.amount_usd, cost.basis, cost.price
    line = copy_line(
        call_id.hex,
        at,
        amounts.prompt_tokens,
        amounts.completion_tokens,
        amounts.total_tokens,
        amount,
        basis,
        checked_json(extra, amounts.details, price),
        names,
    )
    return Call(call_id, line, basis == "unpriced")
