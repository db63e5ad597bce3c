"""Records in JSON: an array's elements, objects one after another, and pages of an API that hold them.

Memory is bounded by the largest element, not by the file.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

MAX_VALUE_CHARACTERS = 67_108_864
"""Of one element, or of a page."""
_CHUNK = 1_048_576

_HELD_IN = (
    *("data", "results", "items", "records", "rows", "logs", "generations", "observations", "requests"),
    *("calls", "spend_logs", "usage_logs", "activity", "value"),
    *("ft_data", "whisper_api_data", "dalle_api_data", "tts_api_data"),
)
"""Names under which pages have their records."""
_OF_CALLS = frozenset({"usage", "model", "message", "prompt_tokens", "input_tokens", "response", "choices"})
"""What has one of these is a record, whatever lists it holds."""
_OF_PAGES = frozenset(
    {
        *("object", "has_more", "next_page", "first_id", "last_id", "meta", "count", "total", "page"),
        *("page_size", "total_pages", "total_count", "limit", "offset", "next", "previous"),
    }
)
_OF_TRACES = frozenset({"sessionId", "userId", "release", "environment", "tags"})
"""What of a trace of Langfuse is told of its observations, too."""
_ROUNDING = Decimal("1e-9")
"""Sums of floats may differ by so much."""
_WHITE = " \t\r\n"


class Found(NamedTuple):
    """A value of a text of JSON, or the reason for none."""

    line_number: int
    value: Any
    reason: str = ""


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def records_in(value: Any, around: Mapping[str, Any] | None = None) -> Iterator[Mapping[str, Any]]:
    """The records that a page holds, each with the plain values around it, such as the time of its bucket;
    what is no page is a record itself."""
    if (day := _by_model(value)) is not None or (day := _by_whom(value)) is not None:
        yield from day
        return
    lists = (
        []
        if _OF_CALLS & value.keys()
        else [value[name] for name in _HELD_IN if _are_objects(value.get(name))]
    )
    if not lists:
        if not _is_empty_page(value):
            yield {**around, **value} if around else value
        return
    plain = {
        name: inner
        for name, inner in value.items()
        if name not in _OF_PAGES and not isinstance(inner, (list, dict))
    }
    if _are_objects(value.get("observations")):
        # A trace of Langfuse: its cost and its length are those of all of them together.
        plain = {name: inner for name, inner in value.items() if name in _OF_TRACES}
        plain["traceName"] = value.get("name")
    for listed in lists:
        for each in listed:
            yield from records_in(each, {**(around or {}), **plain})


def _by_model(value: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """LiteLLM's sums of a day for each model and key, and what these leave of it; None of anything else."""
    breakdown = value.get("breakdown")
    models = breakdown.get("models") if isinstance(breakdown, dict) else None
    if "date" not in value or not isinstance(models, dict) or not isinstance(value.get("metrics"), dict):
        return None
    providers = breakdown.get("providers") if isinstance(breakdown, dict) else None
    of_day = {"date": value["date"]}
    if isinstance(providers, dict) and len(providers) == 1:
        of_day["provider"] = next(iter(providers))
    rows: list[Mapping[str, Any]] = []
    for model, held in models.items():
        told = held if isinstance(held, dict) else {}
        sums = _metrics(told)
        keys = told.get("api_key_breakdown")
        of_keys = []
        for key, inner in keys.items() if isinstance(keys, dict) else ():
            about = inner.get("metadata") if isinstance(inner, dict) else None
            about = (
                {name: about.get(name) for name in ("key_alias", "team_id")}
                if isinstance(about, dict)
                else {}
            )
            of_keys.append({**of_day, "model": model, "api_key": key, **about, **_metrics(inner)})
        rows += [*of_keys, *_left({**of_day, "model": model}, sums, of_keys)]
    return [*rows, *_left(of_day, _metrics(value), rows)]


def _by_whom(value: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """LiteLLM's report of a day for each team or customer, by model and key; None of anything else."""
    groups = next((value[name] for name in ("teams", "customers") if _are_objects(value.get(name))), None)
    if "group_by_day" not in value or groups is None:
        return None
    rows: list[Mapping[str, Any]] = []
    for group in groups:
        about = {"group_by_day": value["group_by_day"]}
        about |= {name: group[name] for name in ("team_name", "customer") if name in group}
        held = group.get("metadata")
        models = [{**about, **each} for each in held] if _are_objects(held) else []
        rows += [*models, *_left(about, _metrics({"spend": group.get("total_spend")}), models)]
    return rows


def _metrics(held: Any) -> dict[str, Any]:
    """The numbers of an object, or of its `metrics`."""
    inner = held.get("metrics") if isinstance(held, dict) else None
    numbers = inner if isinstance(inner, dict) else held if isinstance(held, dict) else {}
    return {name: each for name, each in numbers.items() if isinstance(each, (int, Decimal))}


def _left(
    about: Mapping[str, Any], sums: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """What rows leave of sums: nothing is lost that a breakdown does not have."""
    left = {name: number - sum(row.get(name, 0) for row in rows) for name, number in sums.items()}
    left = {name: number for name, number in left.items() if number > _ROUNDING}
    return [{**about, **left}] if left else [] if rows else [{**about, **sums}]


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def has_further_pages(value: Any) -> bool:
    """Whether a page says that others follow."""
    if not isinstance(value, dict):
        return False
    about = value.get("metadata")  # LiteLLM's
    return value.get("has_more") is True or (isinstance(about, dict) and about.get("has_more") is True)


def _is_empty_page(value: Mapping[str, Any]) -> bool:
    return not _OF_CALLS & value.keys() and any(value.get(name) == [] for name in _HELD_IN)


def values_of(file: _Readable) -> Iterator[Found]:
    """The elements of the array that the file is, or its values one after another.

    Where it is no JSON, or an element is too large, it ends with the reason.
    """
    text = _Text(file)
    while not text.is_broken and text.skip(_WHITE + ","):
        if not text.begins_with("["):
            yield text.value()
            continue
        text.take(1)
        while not text.is_broken and text.skip(_WHITE + ",") and not text.begins_with("]"):
            yield text.value()
        if text.is_broken:
            return
        if not text.begins_with("]"):
            yield Found(text.line_number, None, "the array does not end: is the file whole?")
            return
        text.take(1)


class _Text:
    """A text that is read bit by bit."""

    def __init__(self, file: _Readable) -> None:
        self._file = file
        self._buffer, self._at, self._rest = "", 0, b""
        self._is_whole = self.is_broken = False
        self._decode = json.JSONDecoder(parse_float=Decimal).raw_decode
        self.line_number = 1

    def begins_with(self, character: str) -> bool:
        return self._buffer.startswith(character, self._at)

    def take(self, length: int) -> None:
        self.line_number += self._buffer.count("\n", self._at, self._at + length)
        self._at += length

    def skip(self, characters: str) -> bool:
        """Goes over these characters; whether something follows."""
        while True:
            end = self._at
            while end < len(self._buffer) and self._buffer[end] in characters:
                end += 1
            self.take(end - self._at)
            if end < len(self._buffer):
                return True
            if not self._read_more():
                return False

    def value(self) -> Found:
        while True:
            try:
                value, end = self._decode(self._buffer, self._at)
            except (ValueError, RecursionError) as error:
                # It may only be cut off where the buffer ends.
                if len(self._buffer) - self._at < MAX_VALUE_CHARACTERS and self._read_more():
                    continue
                self.is_broken = True
                return Found(self.line_number, None, self._broken(error))
            if end == len(self._buffer) and self._read_more():
                continue  # a number may go on
            found = Found(self.line_number, value)
            self.take(end - self._at)
            return found

    def _broken(self, error: Exception) -> str:
        if not self._is_whole and len(self._buffer) - self._at >= MAX_VALUE_CHARACTERS:
            return (
                f"a value of more than {MAX_VALUE_CHARACTERS:,} "
                "characters: make it JSON Lines, with one record a line"
            )
        line = self.line_number
        if isinstance(error, json.JSONDecodeError):
            line += self._buffer.count("\n", self._at, error.pos)
        return f"no JSON from line {line:,} on, and nothing after it is read: {str(error).split(': line')[0]}"

    def _read_more(self) -> bool:
        if self._is_whole:
            return False
        # As much as there is: what is large is then not looked at again and again.
        size = max(_CHUNK, len(self._buffer) - self._at)
        more = self._file.read(size)
        self._is_whole = not more
        raw = self._rest + more
        end = len(raw) if self._is_whole else _whole_characters(raw)
        text, self._rest = raw[:end].decode("utf-8", "replace"), raw[end:]
        if not self._buffer:
            text = text.removeprefix("\ufeff")
        self._buffer, self._at = self._buffer[self._at :] + text, 0
        return bool(text) or not self._is_whole


def _whole_characters(raw: bytes) -> int:
    """Where the last character of UTF-8 ends that is whole."""
    for back in range(1, min(4, len(raw)) + 1):
        byte = raw[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(raw) if back >= length else len(raw) - back
    return len(raw)
