"""Columns that say by their names what they are: ours, or usual ones."""

import re
from collections.abc import Mapping, Sequence

from analytics.importing.formats import simple
from analytics.importing.parsing import COUNTS, METADATA, OBJECTS, TAG, TARGETS
from analytics.importing.reader import LogFile

_ALIASES: Mapping[str, Sequence[str]] = {
    "created_at": ("timestamp", "time", "datetime", "created", "date", "started_at", "start_time", "ts"),
    "source": ("provider",),
    "model": ("model_name", "model_id"),
    "prompt_tokens": ("input_tokens", "tokens_in", "tokens_prompt", "input"),
    "completion_tokens": ("output_tokens", "tokens_out", "tokens_completion", "output"),
    "total_tokens": ("tokens",),
    "cost_usd": ("cost", "total_cost", "spend", "price_usd"),
    "usage": ("token_usage", "usage_metadata", "usage_object"),
    "latency_ms": ("duration_ms", "response_time_ms"),
    "conversation_id": ("session_id", "thread_id", "conversation"),
}
"""Other names of columns, where none is called like the target."""
_RESPONSE_ID = re.compile(r"(?:chatcmpl|cmpl|resp|msg|gen|embd)[-_]\w")


def map_by_name(file: LogFile, columns: dict[str, str], constants: Mapping[str, str]) -> None:
    """Adds to `columns` (target -> column) what no option and no constant fills."""
    named = {*columns, *constants}
    if "id" in file.columns and "response_id" not in file.columns and not named & {"id", "response_id"}:
        told = [values["id"] for values in file.sample() if values.get("id")]
        # Whoever else tells of the call knows it by the id of its response.
        if told and all(isinstance(each, str) and _RESPONSE_ID.match(each) for each in told):
            columns["response_id"] = "id"
    for target in TARGETS:
        if target in file.columns and target not in constants and target not in columns.values():
            columns.setdefault(target, target)
    for target in OBJECTS:
        # Taken as a whole, unless its fields are mapped.
        is_mapped = any(name.startswith(f"{target}.") for name in columns.values())
        if target not in constants and not is_mapped and is_object(file, target):
            columns.setdefault(target, target)
    for name in file.columns:
        # In JSON the tags are one object, and taken as a whole.
        if name.startswith((TAG, METADATA)) and name not in constants and not file.is_json:
            columns.setdefault(name, name)
    by_name = {simple(name): name for name in with_heads(file.columns)}
    for target in ("usage", *TARGETS):
        if target in columns or target in constants or (target in COUNTS and "usage" in columns):
            continue
        # However it is written: `Prompt Tokens`, `promptTokens`.
        names = [simple(each) for each in (target, *_ALIASES.get(target, ()))]
        alias = next((by_name[each] for each in names if each in by_name), None)
        if alias is None or any(name == alias or name.startswith(f"{alias}.") for name in columns.values()):
            continue
        if target in OBJECTS or alias in file.columns:
            columns[target] = alias


def is_object(file: LogFile, name: str) -> bool:
    """Whether what JSON has under this name is an object, of which the columns are the fields."""
    return file.is_json and any(column.startswith(f"{name}.") for column in file.columns)


def with_heads(columns: Sequence[str]) -> list[str]:
    """The columns, and before its fields each object that holds some."""
    heads = [
        ".".join(name.split(".")[:length]) for name in columns for length in range(1, name.count(".") + 1)
    ]
    return [*heads, *columns]
