"""JSON of strangers: how much is in it is counted before anything of it is built.

Eight megabytes of `{},{},{}` are 2.7 million objects. Python builds them in one go, in which no other thread
gets a turn. To count them takes a few milliseconds, whatever they are.
"""

import json
from typing import Any

MAX_VALUES = 100_000
"""Of one text: a thousand records with a hundred values each."""
MAX_DEPTH = 64

_ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


class TooMuch(ValueError):
    """The text has more in it than is read at once."""


def loads(text: str | bytes) -> Any:
    """The value, as json.loads() has it; bytes are UTF-8.

    Raises:
        TooMuch: it has more than MAX_VALUES values.
        ValueError: it is no JSON, or nested more than MAX_DEPTH deep.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    _check(raw)
    # Functions of Python's own, and so a turn for other threads between one value and the next.
    return json.loads(
        raw.decode("utf-8-sig", "surrogatepass"),
        object_hook=lambda found: found,
        parse_int=lambda digits: int(digits),
        parse_float=lambda digits: float(digits),
    )


def _check(text: bytes) -> None:
    # Each step goes through the whole text in C. What is no JSON is counted up to where it ceases to be any,
    # which is as far as it would be read.
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if text.count(b'"') > 2 * MAX_VALUES:
        raise _too_many()
    outside_of_strings = b"".join(text.split(b'"')[::2])
    opened = outside_of_strings.count(b"[") + outside_of_strings.count(b"{")
    if opened + outside_of_strings.count(b",") > MAX_VALUES:
        raise _too_many()
    if opened > MAX_DEPTH and _depth(outside_of_strings.translate(None, _ALL_BUT_BRACKETS)) > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def _depth(brackets: bytes) -> int:
    deepest = depth = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
        if depth == 0:
            break  # the value has ended
    return deepest


def _too_many() -> TooMuch:
    return TooMuch(f"it has more than {MAX_VALUES:,} values: send less at once")
