"""The one check of a call, for tracker, API and import: a value can be stored, or InvalidInput says why not.

A message begins with the argument's name. None repeats a text that was given (a phone, a conversation), which
would end up in a log. What PostgreSQL or one of our constraints would refuse is refused here, call by call.
"""

import itertools
import json
import math
import operator
import os
import re
import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from analytics.calls.operations import operation_name
from analytics.calls.row import (
    EARLIEST,
    LATEST,
    MAX_ATTEMPTS,
    MAX_COST_USD,
    MAX_MILLISECONDS,
    MAX_TAGS,
    MAX_TOKENS,
    NO_FACTS,
    OUTCOMES,
    UNASSIGNED_CLIENT,
    Facts,
    call_uuid,
    conversation_uuid,
    copy_texts,
    is_uuid,
    refused_text,
    tags_json,
)
from analytics.errors import InvalidInput
from analytics.pricing.price_list import rounded
from analytics.pricing.providers import source_name

# Digits of ASCII only, without the underscores that Python would take.
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d{1,3})?", re.ASCII)


class Names(NamedTuple):
    """Whose call it was, and of what."""

    client_id: str | None
    source: str
    model: str | None
    for_copy: str
    """These and the conversation and phone, as row.copy_names() writes them."""


def checked_names(
    client_id: UUID | str | None,
    conversation_id: UUID | str | None,
    phone: str | None,
    source: str,
    model: str | None,
    facts: tuple[str | None, ...] = (None,) * 4,
    tags: tuple[tuple[str, str], ...] = (),
) -> Names:
    """Client, conversation, phone, provider and model of a call.

    `facts` are the checked operation, outcome, service tier and account, `tags` what checked_tags() made.

    Raises:
        InvalidInput: one of them is no text, or cannot be stored; the client is no UUID; there is no source.
    """
    try:
        return _checked_names(client_id, conversation_id, phone, source, model, facts, tags)
    except TypeError:  # not hashable: refused below, with its name
        checked_party.__wrapped__(client_id, conversation_id, phone)
        _checked_kind.__wrapped__(source, model, facts, tags)
        raise


# The same clients, conversations and models come again and again, and checking takes a while.
@lru_cache(maxsize=10_000)
def _checked_names(
    client_id: UUID | str | None,
    conversation_id: UUID | str | None,
    phone: str | None,
    source: str,
    model: str | None,
    facts: tuple[str | None, ...],
    tags: tuple[tuple[str, str], ...],
) -> Names:
    client, who = checked_party(client_id, conversation_id, phone)
    provider, model, what = _checked_kind(source, model, facts, tags)
    return Names(client, provider, model, f"{what}\t{who}")  # as copy_names() has them


# Both on their own, too: thousands of conversations have calls of a few kinds.
@lru_cache(maxsize=10_000)
def checked_party(
    client_id: UUID | str | None, conversation_id: UUID | str | None, phone: str | None
) -> tuple[str | None, str]:
    """The client's id, and the fields of a line from it on, as row.copy_names() writes them.

    Raises:
        InvalidInput: as checked_names().
    """
    client = _checked_client(client_id)
    conversation, conversation_name = _checked_conversation(client, conversation_id)
    phone = checked_text("phone", phone)
    return client, copy_texts(client, conversation, phone, conversation_name)


@lru_cache(maxsize=10_000)
def _checked_kind(
    source: str, model: str | None, facts: tuple[str | None, ...], tags: tuple[tuple[str, str], ...]
) -> tuple[str, str | None, str]:
    provider = checked_text("source", source)
    if provider is None:
        raise InvalidInput('source must name the provider, such as "openai"')
    model = checked_text("model", model)
    provider = source_name(provider, model)
    operation, outcome, service_tier, account = facts
    operation = None if operation is None else operation_name(operation)
    what = copy_texts(operation, outcome, service_tier, account, provider, model, tags_json(dict(tags)))
    return provider, model, what


@lru_cache(maxsize=10_000)
def scope_names(
    client_id: UUID | str,
    provider: str | None,
    model: str | None,
    operation: str | None,
    conversation_id: UUID | str | None,
    tags: tuple[tuple[Any, Any, type], ...],
) -> Mapping[str, str | None]:
    """What a call with these will be stored with, by the names that filters have. Not to be changed.

    `tags` are those of typed_tags().

    Raises:
        InvalidInput: as checked_names() and checked_tags().
        TypeError: one of them is not hashable.
    """
    client = _checked_client(client_id)
    model = checked_text("model", model)
    source = checked_text("provider", provider)
    operation = checked_text("operation", operation)
    return {
        "provider": None if source is None else source_name(source, model),
        "model": model,
        "operation": None if operation is None else operation_name(operation),
        "conversation": _checked_conversation(client, conversation_id)[0],
        **{f"tag.{key}": value for key, value in _checked_tags(tags)},
    }


def checked_tags(tags: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """The tags in the order of their keys; one whose value is None or empty is left out.

    Raises:
        InvalidInput: they are no mapping, or too many; a key or a value is no text or number, or too long.
    """
    if not tags:
        return ()
    if not isinstance(tags, Mapping):
        raise InvalidInput(f"tags must be a mapping, not {type(tags).__name__}")
    given = typed_tags(tags)
    try:
        return _checked_tags(given)
    except TypeError:  # not hashable: refused below, with its key
        return _checked_tags.__wrapped__(given)


def typed_tags(tags: Mapping[str, Any]) -> tuple[tuple[Any, Any, type], ...]:
    """Tags that are equal where they are told alike: True, 1 and 1.0 are three values."""
    return tuple((key, value, value.__class__) for key, value in tags.items())


@lru_cache(maxsize=10_000)
def _checked_tags(tags: tuple[tuple[Any, Any, type], ...]) -> tuple[tuple[str, str], ...]:
    checked: dict[str, str] = {}
    for key, value, _ in tags:
        name = checked_text("tags: a key", key)
        if name is None:
            raise InvalidInput("tags: a key must not be empty")
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, (int, float, Decimal, UUID)):
            value = str(value)
        if (text := checked_text(f"tags: the value of {quoted(name)}", value)) is not None:
            checked[name] = text
    if len(checked) > MAX_TAGS:
        raise InvalidInput(f"tags may have at most {MAX_TAGS} keys, not {len(checked)}")
    return tuple(sorted(checked.items()))


def checked_facts(given: Facts, told: Facts) -> Facts:
    """What the application gives, and where it gives nothing what the response told.

    Raises:
        InvalidInput: a number is none or cannot be, a text cannot be stored, the outcome is none of OUTCOMES.
    """
    latency, first_token, operation_id, attempt, response_id, cost, *texts = given
    if isinstance(operation_id, UUID):
        operation_id = str(operation_id)
    try:
        checked_texts = _checked_texts(*texts)
    except TypeError:  # not hashable: refused below, with its name
        checked_texts = _checked_texts.__wrapped__(*texts)
    checked = Facts(
        _milliseconds("latency_ms", latency),
        _milliseconds("time_to_first_token_ms", first_token),
        None if operation_id is None else checked_text("operation_id", operation_id),
        None if attempt is None else _attempt(attempt),
        None if response_id is None else checked_text("response_id", response_id),
        None if cost is None else checked_amount("stated_cost_usd", cost, MAX_COST_USD),
        *checked_texts,
    )
    if told is NO_FACTS:
        return checked
    both = zip(checked, told, strict=True)
    return Facts._make(mine if mine is not None else other for mine, other in both)


# Names by which pages group calls, for whoever sees the client; a phone is no part of one.
_PHONE = re.compile(r"\d{6,11}(?P<end>\d{4})", re.ASCII)


def _without_phone(name: str | None) -> str | None:
    return None if name is None else _PHONE.sub(r"***\g<end>", name)


# The same few come again and again.
@lru_cache(maxsize=10_000)
def _checked_texts(
    operation: str | None, outcome: str | None, service_tier: str | None, account: str | None
) -> tuple[str | None, ...]:
    outcome = checked_text("outcome", outcome)
    if outcome is not None and outcome not in OUTCOMES:
        raise InvalidInput(f"outcome must be one of {', '.join(OUTCOMES)}, not {quoted(outcome)}")
    tier = checked_text("service_tier", service_tier)
    tier = checked_text("service_tier", tier and tier.lower())  # a letter may be two in lower case
    return (
        _without_phone(checked_text("operation", operation)),
        outcome,
        _without_phone(tier),
        checked_text("account", account),
    )


def _milliseconds(argument: str, value: Any) -> int | None:
    if value is None or (type(value) is int and 0 <= value <= MAX_MILLISECONDS):
        return value
    return round(checked_amount(argument, value, MAX_MILLISECONDS))


def _attempt(value: Any) -> int:
    attempt = checked_count("attempt", value)
    if not 1 <= attempt <= MAX_ATTEMPTS:
        raise InvalidInput(f"attempt must be between 1 and {MAX_ATTEMPTS:,}, not {attempt}")
    return attempt


# Ollama draws the number from 999 (middleware/openai.go), so that different calls have one id.
_DRAWN = re.compile(r"(?:chatcmpl-|cmpl-|resp_)\d{1,3}", re.ASCII)


def response_call_id(client_id: str | None, source: str, response_id: str) -> UUID | None:
    """The id of the call that the provider answered with this response, whoever tells of it.

    None where the id of the response may be that of others, too.
    """
    if not names_one_call(source, response_id):
        return None
    return call_uuid(_namespace(client_id), f"response {response_id}")


def names_one_call(source: str, response_id: str) -> bool:
    """Whether the id of a response is that of one call, and not drawn from a few."""
    return source == "openai" or _DRAWN.fullmatch(response_id) is None


def _checked_client(client_id: UUID | str | None) -> str | None:
    if client_id is None or isinstance(client_id, UUID):
        return None if client_id is None else str(client_id)
    if not isinstance(client_id, str) or not is_uuid(client_id.strip()):
        raise InvalidInput(f"client_id must be the UUID of a client, not {quoted(client_id)}")
    return str(UUID(client_id.strip()))


def _checked_conversation(client_id: str | None, given: UUID | str | None) -> tuple[str | None, str | None]:
    """The conversation's id, and its name where that is what the application gave."""
    if given is None or isinstance(given, UUID):
        return None if given is None else str(given), None
    text = checked_text("conversation_id", given)
    if text is None or is_uuid(text):
        # With hyphens it is written as UUID writes it, but for its case.
        return None if text is None else text.lower() if "-" in text else str(UUID(text)), None
    return str(conversation_uuid(_namespace(client_id), text)), text


def checked_id(client_id: str | None, given: UUID | str) -> UUID | None:
    """The id that an application gives; None for an empty text."""
    if isinstance(given, UUID):
        return given
    text = checked_text("id", given)
    if text is None:
        return None
    return UUID(text) if is_uuid(text) else call_uuid(_namespace(client_id), text)


def call_ids(client_id: str, text: str) -> list[UUID]:
    """The ids that a call may have of which somebody knows this text: its own id, the one that the
    application gave it, or that of the provider's response. None for an empty text."""
    given = checked_id(client_id, text)
    return [] if given is None else [given, call_uuid(_namespace(client_id), f"response {text.strip()}")]


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
    """The text without the space around it; None where nothing is left."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise InvalidInput(f"{argument} must be a text, not {type(text).__name__}")
    text = text.strip()
    if reason := refused_text(text):
        raise InvalidInput(f"{argument} {reason}")
    return text or None


def checked_instant(created_at: datetime) -> datetime:
    """The time of a call, which has a time zone."""
    if not isinstance(created_at, datetime) or created_at.utcoffset() is None:
        raise InvalidInput(f"created_at must be a datetime with a time zone, not {quoted(created_at)}")
    if not EARLIEST <= created_at < LATEST:
        raise InvalidInput(f"created_at must be between {EARLIEST.year} and {LATEST.year}, not {created_at}")
    return created_at


def checked_amount(argument: str, value: Decimal | float | str, most: Decimal) -> Decimal:
    """A number from 0 to `most`, as a number or as the text of one, rounded to the decimals of a cost."""
    amount = number_in(value)
    if amount is None:
        raise InvalidInput(f"{argument} must be a number, not {quoted(value)}")
    if not amount.is_finite() or not 0 <= amount <= most:
        raise InvalidInput(f"{argument} must be between 0 and {most:,}, not {quoted(value)}")
    return rounded(amount)


def checked_count(argument: str, value: Any) -> int:
    """A whole number of tokens, of whatever numeric type."""
    if type(value) is int and 0 <= value <= MAX_TOKENS:
        return value
    number = None if isinstance(value, bool) else _whole_number(value)
    if number is None or not 0 <= number <= MAX_TOKENS:
        raise InvalidInput(
            f"{argument} must be a whole number between 0 and {MAX_TOKENS:,}, not {quoted(value)}"
        )
    return number


def _whole_number(value: Any) -> int | None:
    if isinstance(value, (float, Decimal)):
        is_finite = value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)
        # The range first: to write 1e999999 as an integer would take a million digits.
        is_whole = is_finite and -1 < value <= MAX_TOKENS and value == int(value)
        return int(value) if is_whole else None
    try:
        return operator.index(value)
    except TypeError:
        return None


def number_in(value: Any) -> Decimal | None:
    """The number that a value is, or that its text says; None where it is none. The float 0.1 means 0.1."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, (int, float)):
            return Decimal(value) if isinstance(value, int) else Decimal(repr(float(value)))
        text = str(value).strip()
        return Decimal(text) if _NUMBER.fullmatch(text) else None
    except (InvalidOperation, ValueError):
        return None


def checked_metadata(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(metadata, Mapping):
        raise InvalidInput(f"metadata must be a mapping, not {type(metadata).__name__}")
    return metadata


_encode_json = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def checked_json(other: Mapping[str, Any], price: Mapping[str, str]) -> str | None:
    """The metadata. Of a key that comes twice jsonb keeps the last: what the application gave gives way."""
    try:
        # Joined by hand, because an encoder takes ten times as long for a few numbers.
        members = [_encode_json(other)[1:-1]] if other else []
        if price:
            members.append(_price_json(*price.items()))
        text = f"{{{','.join(members)}}}" if members else None
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"metadata cannot be kept as JSON: {error}") from None
    return _ESCAPE.sub(_storable, text) if text is not None and "\\u" in text else text


# An escape in JSON: a character of two halves, one that PostgreSQL does not take (NUL, a lone half), another.
_ESCAPE = re.compile(r"\\(?:ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|u(?P<odd>0000|d[89a-f][0-9a-f]{2})|.)")


def _storable(escape: re.Match[str]) -> str:
    return r"\ufffd" if escape["odd"] else escape[0]


@lru_cache(maxsize=10_000)
def _price_json(*price: tuple[str, str]) -> str:
    return f'"price":{_encode_json(dict(price))}'


def quoted(value: object) -> str:
    """The value as a message quotes it: the beginning of a long one."""
    try:
        text = str(value) if isinstance(value, Decimal) else repr(value)
    except ValueError:  # an integer with more than 4,300 digits
        return f"one {type(value).__name__} that is too long to show"
    return text if len(text) <= 60 else f"{text[:57]}..."
