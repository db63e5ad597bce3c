"""For whatever object: no field of it is unaccounted for, no part exceeds its whole, and no reading fails."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from analytics.calls.row import MAX_TOKENS
from analytics.calls.usage.fields import fields_of, snake
from analytics.calls.usage.meters import (
    COSTS,
    OF_COSTS,
    OF_NO_PRICE,
    RULES,
    SECTIONS,
    TEXTS_OF_NO_PRICE,
    TIMES,
)
from analytics.calls.usage_objects import UsageReading, read_usage
from analytics.pricing.price_list import COUNTS, DETAILS, TOKEN_PARTS, Usage
from tests.test_usage_shapes import CASES

PARTS = (
    (("cached_tokens", "cache_write_tokens"), "prompt_tokens"),
    (("prompt_audio_tokens", "prompt_image_tokens"), "prompt_tokens"),
    (("reasoning_tokens", "completion_audio_tokens", "completion_image_tokens"), "completion_tokens"),
    (("cached_audio_tokens", "cached_image_tokens"), "cached_tokens"),
    (("cache_write_1h_tokens",), "cache_write_tokens"),
)
# Names of all shapes at once, and some that no rule knows, in the cases of Python and of JavaScript.
NAMES = sorted(
    {
        *(path for path in RULES if "." not in path),
        *(name for name in (*COSTS, *TIMES, *OF_NO_PRICE) if "." not in name),
        *("promptTokens", "cachedInputTokens", "thoughtsTokenCount", "tiles", "pages", "search_units", "geo"),
    }
)
PART_NAMES = sorted(
    {
        *(path.partition(".")[2] for path in (*RULES, *OF_NO_PRICE) if path.startswith(("in.", "out."))),
        *("frames", "cacheReadTokens"),
    }
)
COUNT = st.one_of(st.integers(0, 3_000), st.just(0), st.none(), st.integers(0, MAX_TOKENS))
ODD = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.sampled_from(["", "12", " 7 ", "many", "1e999", "-3"]),
    st.decimals(allow_nan=True),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
VALUE = st.one_of(COUNT, COUNT, COUNT, ODD)
DETAIL = st.dictionaries(st.sampled_from(PART_NAMES), VALUE, max_size=5)
MODALITY = st.lists(
    st.fixed_dictionaries(
        {"modality": st.sampled_from(["TEXT", "AUDIO", "IMAGE", "VIDEO", "SMELL"]), "tokenCount": COUNT}
    ),
    max_size=3,
)
OBJECTS = st.builds(
    lambda flat, nested: {**flat, **nested},
    st.dictionaries(st.sampled_from(NAMES), VALUE, max_size=8),
    st.dictionaries(st.sampled_from(sorted(SECTIONS)), st.one_of(DETAIL, DETAIL, MODALITY, ODD), max_size=3),
)
ALWAYS = settings(max_examples=80, deadline=None, derandomize=True)


@ALWAYS
@example(usage={"total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3}})
@example(usage={"input_tokens": 1, "cache_read_input_tokens": MAX_TOKENS})
@example(usage={"cachedInputTokens": 5, "inputTokens": 3})
@given(usage=OBJECTS)
def test_no_part_exceeds_its_whole(usage: dict[str, Any]) -> None:
    for source in ("openai", "anthropic"):
        read = read_usage(usage, source).usage

        counts = {"prompt_tokens": read.prompt_tokens, "completion_tokens": read.completion_tokens} | dict(
            read.details
        )
        assert all(type(count) is int and 0 <= count <= MAX_TOKENS for count in counts.values())
        assert 0 <= read.total_tokens <= MAX_TOKENS
        assert set(read.details) <= set(DETAILS)
        is_divided = read.prompt_tokens or read.completion_tokens
        if is_divided:
            assert read.total_tokens == read.prompt_tokens + read.completion_tokens
        for parts, whole in PARTS:
            of_whole = counts.get(whole, 0) if is_divided or whole not in Usage._fields else read.total_tokens
            assert sum(counts.get(part, 0) for part in parts) <= of_whole


@ALWAYS
@example(usage={"prompt_tokens": 5, "tiles": {"frames": 3}})
@example(usage={"iterations": [{"type": "new", "input_tokens": 4}], "input_tokens": 3})
@given(usage=OBJECTS)
def test_no_field_is_unaccounted_for(usage: dict[str, Any]) -> None:
    reading = read_usage(usage, "openai")

    leaves = list(_leaves(usage))
    told_meters = {_meter(path) for name, path, _ in leaves if path in RULES and _is_told(name, reading)}
    for name, path, value in leaves:
        if _is_told(name, reading):
            continue
        assert (
            path in RULES
            or path in (*COSTS, *TIMES, *OF_NO_PRICE, *TEXTS_OF_NO_PRICE)
            or (path.startswith(OF_COSTS) or path.endswith((".text", ".audio", ".image", ".video")))
        ), (name, value)
        if path in RULES:
            meter = _meter(path)
            # Of two names that told the same one is told, where both do not fit.
            if meter in reading.usage.details or meter not in told_meters:
                _assert_is_in_a_meter(meter, value, reading, name)


def _meter(path: str) -> str:
    meter = RULES[path][0]
    return "cache_write_tokens" if meter == "cache_write_5m" else meter  # a part of it that has no column


def _assert_is_in_a_meter(meter: str, value: Any, reading: UsageReading, name: str) -> None:
    read = reading.usage
    whole = {"prompt": read.prompt_tokens, "completion": read.completion_tokens, "total": read.total_tokens}
    if meter in whole:
        assert value <= whole[meter] or reading.missing, name
    elif meter == "seconds":
        assert read.duration_seconds is not None
    elif meter in (*TOKEN_PARTS, *COUNTS):
        assert meter in read.details, name
        # Of two names of one meter one is left out, and told; or both say the same.
        assert read.details[meter] >= value, name
    elif meter == "all_tools":
        assert value <= sum(count for part, count in read.details.items() if part in COUNTS), name
    else:  # what the prompt is the sum of
        assert value <= read.total_tokens, name


def _leaves(fields: Mapping[str, Any], section: str = "", outer: str = "") -> Iterator[tuple[str, str, Any]]:
    for name, value in fields.items():
        path, full = section + snake(name), outer + name
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            for item in value:
                if item.get("tokenCount"):
                    modality = str(item["modality"]).lower()
                    yield f"{full}.{modality}", f"{path}.{modality}", item["tokenCount"]
        elif isinstance(value, dict) and path in SECTIONS:
            yield from _leaves(value, SECTIONS[path], f"{full}.")
        elif _says_something(value):
            yield full, path, value


def _says_something(value: Any) -> bool:
    if isinstance(value, Decimal) and value.is_nan():
        return True
    return bool(value) and value != {"": 0} and not (isinstance(value, dict) and not any(value.values()))


def _is_told(name: str, reading: UsageReading) -> bool:
    told = reading.not_understood
    return any(name == each or name.startswith(f"{each}.") or each.startswith(f"{name}.") for each in told)


@ALWAYS
@given(usage=OBJECTS)
def test_an_object_is_read_as_its_dict_is_and_what_is_kept_is_json(usage: dict[str, Any]) -> None:
    reading = read_usage(usage, "openai")

    assert json.loads(json.dumps(reading.metadata, allow_nan=False)) == reading.metadata
    assert ("usage" in reading.metadata) == bool(reading.not_understood)
    assert all(len(name) <= 100 and len(what) < 300 for name, what in reading.not_understood.items())
    as_object = read_usage(SimpleNamespace(**usage), "openai")
    assert (as_object.usage, as_object.missing) == (reading.usage, reading.missing)


CHAT = st.fixed_dictionaries(
    {"prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT},
    optional={
        "prompt_tokens_details": st.dictionaries(
            st.sampled_from(["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens"]), COUNT
        ),
        "completion_tokens_details": st.dictionaries(
            st.sampled_from(["reasoning_tokens", "audio_tokens", "text_tokens"]), COUNT
        ),
        "queue_time": st.floats(),
    },
)


@ALWAYS
@example(usage=CASES[0].make().model_dump() | {"total_tokens": 230})  # type: ignore[attr-defined]
@given(usage=CHAT)
def test_the_quick_way_reads_the_same_as_the_long_one(usage: dict[str, Any]) -> None:
    """One more field, of no price, and the object is no ordinary one."""
    quick, long = read_usage(usage), read_usage(usage | {"type": "usage"})

    assert quick.usage == long.usage
    assert quick.not_understood == long.not_understood
    assert (quick.missing, quick.facts) == (long.missing, long.facts)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    value=st.recursive(
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=3)
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.one_of(
                    st.text(max_size=5),
                    st.sampled_from(
                        ["usage", "choices", "response", "meta", "data", "output", "candidates", "id"]
                    ),
                ),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=15,
    )
)
def test_nothing_makes_it_fail(value: Any) -> None:
    reading = read_usage(value, "openai", "gpt-4o")

    assert (reading.missing is None) or reading.usage == Usage()
    if isinstance(value, dict) and not fields_of(value):
        assert not reading.not_understood
