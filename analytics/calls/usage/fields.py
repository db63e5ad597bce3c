"""The fields of an object, whatever made it: a dict, a pydantic model, a dataclass, a protobuf message."""

import json
import math
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any

from analytics.calls.validation import quoted

MAX_KEPT_BYTES = 8_000
"""A usage object that is longer as JSON is kept by the names of its fields only."""
MAX_NAME = 100
_MAX_DEPTH = 8
_MAX_VALUES = 1_000

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LIFETIME = re.compile(r"ephemeral(\d)")  # Anthropic's ephemeral_5m in camel case


def fields_of(source: Any) -> Mapping[str, Any] | None:
    """What the object holds, by name; None where it is no object, such as a number or a text."""
    if type(source) is dict:
        return source
    if source is None or isinstance(source, (str, bytes, int, float, Decimal, Enum, list, tuple, set)):
        as_dict = getattr(source, "_asdict", None)
        return dict(as_dict()) if callable(as_dict) else None  # a named tuple
    if isinstance(source, Mapping):
        return source
    extra = getattr(source, "__pydantic_extra__", None)
    fields: Mapping[str, Any] | None = getattr(source, "__dict__", None)
    if isinstance(extra, dict) and extra:
        # What a class does not know: Groq's times, where OpenAI's package talks to Groq.
        return {**(fields or {}), **extra}
    if hasattr(type(source), "ListFields"):  # protobuf, as xAI's SDK has it
        return {field.name: value for field, value in source.ListFields()}
    if fields is not None and not hasattr(source, "__pydantic_fields__"):
        return {name: value for name, value in fields.items() if not name.startswith("_")}
    if fields is None:
        slots = [name for kind in type(source).__mro__ for name in getattr(kind, "__slots__", ())]
        # One without any is a number, such as numpy's, or cannot list its fields.
        fields = {name: getattr(source, name, None) for name in slots} if slots else None
    return fields


def known_by_name(source: object, names: tuple[str, ...]) -> dict[str, Any]:
    """The attributes of an object that cannot list them."""
    found = {name: getattr(source, name, None) for name in names}
    return {name: value for name, value in found.items() if value is not None}


@lru_cache(maxsize=10_000)
def snake(name: str) -> str:
    """promptTokenCount as prompt_token_count, web-search as web_search."""
    return _LIFETIME.sub(r"ephemeral_\1", _CAPITAL.sub("_", name).replace("-", "_").lower())


def is_empty(value: Any) -> bool:
    """Whether a field says nothing: None, 0, "", an empty list, or what an SDK takes for "not set"."""
    try:
        return not value
    except Exception:  # numpy's arrays, and whatever else cannot say
        return False


def text_in(value: Any) -> str | None:
    """The text of a field; that of an enumeration, too."""
    if isinstance(value, Enum):
        value = value.value
    return value.strip() or None if isinstance(value, str) else None


def kept(usage: Any) -> Any:
    """The object as JSON can hold it; only its fields' names where it is too large."""
    try:
        plain = _plain(usage, _MAX_DEPTH, [_MAX_VALUES])
        if len(json.dumps(plain)) <= MAX_KEPT_BYTES:
            return plain
    except _TooLarge:
        pass
    names = [str(name)[:MAX_NAME] for name in list(fields_of(usage) or ())[:50]]
    return {"too_large_to_keep": names}


class _TooLarge(Exception):
    """More values, or deeper, than is kept."""


def _plain(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        raise _TooLarge
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, depth - 1, left)
    if isinstance(value, int):
        return value if abs(value) < 10**30 else quoted(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return _plain(float(value), depth, left) if value.is_finite() else str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple)) and not hasattr(value, "_asdict"):
        return [_plain(item, depth - 1, left) for item in value]
    fields = fields_of(value)
    if fields is None or not (fields or isinstance(value, Mapping)):
        return quoted(value)
    # What is not set is left out, as an SDK's class has dozens of such fields.
    return {
        str(name)[:MAX_NAME]: _plain(item, depth - 1, left)
        for name, item in fields.items()
        if item is not None
    }
