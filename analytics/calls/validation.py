"""What an application passes in: checked, or refused with a message that begins with the argument's name.

No message holds a phone number or a name: it may end up in a log.
"""

import itertools
import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from analytics.calls.row import (
    EARLIEST,
    LATEST,
    UNASSIGNED_CLIENT,
    call_uuid,
    conversation_uuid,
    copy_names,
    is_uuid,
    refused_text,
)
from analytics.errors import InvalidInput
from analytics.pricing.price_list import COST_DECIMALS

_MANY_DIGITS = Context(prec=64)


class Names(NamedTuple):
    """Whose call it was, and of what."""

    client_id: str | None
    source: str
    model: str | None
    for_copy: str
    """These and the conversation and phone, as records.copy_names() writes them."""


# The same clients, conversations and models come again and again, and checking takes a while.
@lru_cache(maxsize=10_000)
def checked_names(
    client_id: UUID | str | None,
    conversation_id: UUID | str | None,
    phone: str | None,
    source: str,
    model: str | None,
) -> Names:
    client = _checked_client(client_id)
    conversation, conversation_name = _checked_conversation(client, conversation_id)
    phone = checked_text("phone", phone)
    provider = checked_text("source", source)
    if provider is None:
        raise InvalidInput('source must name the provider, such as "openai"')
    provider = provider.lower()
    model = checked_text("model", model)
    for_copy = copy_names(provider, model, client, conversation, phone, conversation_name)
    return Names(client, provider, model, for_copy)


def _checked_client(client_id: UUID | str | None) -> str | None:
    if client_id is None or isinstance(client_id, UUID):
        return None if client_id is None else str(client_id)
    if not isinstance(client_id, str) or not is_uuid(client_id.strip()):
        raise InvalidInput(f"client_id must be the UUID of a client, not {_shown(client_id)}")
    return str(UUID(client_id.strip()))


def _checked_conversation(client_id: str | None, given: UUID | str | None) -> tuple[str | None, str | None]:
    """The conversation's id, and its name where that is what the application gave."""
    if given is None or isinstance(given, UUID):
        return None if given is None else str(given), None
    text = checked_text("conversation_id", given)
    if text is None or is_uuid(text):
        return None if text is None else str(UUID(text)), None
    return str(conversation_uuid(_namespace(client_id), text)), text


def checked_id(client_id: str | None, given: UUID | str) -> UUID:
    if isinstance(given, UUID):
        return given
    text = checked_text("id", given)
    if text is None:
        return new_id()
    return UUID(text) if is_uuid(text) else call_uuid(_namespace(client_id), text)


def _namespace(client_id: str | None) -> UUID:
    return UUID(client_id) if client_id else UNASSIGNED_CLIENT


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562): milliseconds, then a random number that grows (its method 2).

    Python has its own from 3.14.
    """
    return UUID(int=time.time_ns() // 1_000_000 << 80 | _random_a | next(_random_b))


def _begin_ids() -> None:
    """Draws the numbers that this process's ids begin with: a child must not go on with its parent's."""
    global _random_a, _random_b
    _random_a = 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62
    _random_b = itertools.count(secrets.randbits(61))


_random_a: int
_random_b: "itertools.count[int]"
_begin_ids()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_ids)


def checked_text(argument: str, text: str | None) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise InvalidInput(f"{argument} must be a text, not {type(text).__name__}")
    text = text.strip()
    if reason := refused_text(text):
        raise InvalidInput(f"{argument} {reason}")
    return text or None


def checked_instant(created_at: datetime) -> datetime:
    if not isinstance(created_at, datetime) or created_at.tzinfo is None:
        raise InvalidInput(f"created_at must be a datetime with a time zone, not {_shown(created_at)}")
    if not EARLIEST <= created_at < LATEST:
        raise InvalidInput(f"created_at must be between {EARLIEST.year} and {LATEST.year}, not {created_at}")
    return created_at


def checked_amount(argument: str, value: Decimal | float, most: Decimal) -> Decimal:
    try:
        amount = Decimal(str(value))  # str: the float 0.1 means 0.1
    except InvalidOperation:
        raise InvalidInput(f"{argument} must be a number, not {_shown(value)}") from None
    if not amount.is_finite() or not 0 <= amount <= most:
        raise InvalidInput(f"{argument} must be between 0 and {most:,}, not {_shown(value)}")
    if int(amount.as_tuple().exponent) < -COST_DECIMALS:
        # In as many digits as there may be: 28, as is usual, are too few for a large amount.
        amount = amount.quantize(Decimal(1).scaleb(-COST_DECIMALS), context=_MANY_DIGITS)
    return amount


def checked_metadata(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(metadata, Mapping):
        raise InvalidInput(f"metadata must be a mapping, not {type(metadata).__name__}")
    return metadata


_encode_json = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def checked_json(
    other: Mapping[str, Any], details: Mapping[str, int], price: Mapping[str, str]
) -> str | None:
    """The metadata. Of a key that comes twice jsonb keeps the last: what the application gave gives way."""
    try:
        # Joined by hand, because an encoder takes ten times as long for a few numbers.
        members = [_encode_json(other)[1:-1]] if other else []
        for name, count in details.items():
            members.append(f'"{name}":{count}')
        if price:
            members.append(_price_json(*price.items()))
        text = f"{{{','.join(members)}}}" if members else None
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"metadata cannot be kept as JSON: {error}") from None
    return _ESCAPE.sub(_storable, text) if text is not None and "\\u" in text else text


# An escape in JSON: a character of two halves, one that PostgreSQL does not take (NUL, a lone half), another.
_ESCAPE = re.compile(r"\\(?:ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|u(?P<odd>0000|d[89a-f][0-9a-f]{2})|.)")


def _storable(escape: re.Match[str]) -> str:
    return r"\ufffd" if escape["odd"] else escape[0]


@lru_cache(maxsize=10_000)
def _price_json(*price: tuple[str, str]) -> str:
    return f'"price":{_encode_json(dict(price))}'


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
