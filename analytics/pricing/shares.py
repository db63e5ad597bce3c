"""Sums of calls, taken for so many calls of the same use: prices of long prompts are of each call. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Any

from analytics.pricing.usage import COUNTS, Usage


def calls_of(row: Mapping[Any, Any]) -> Iterator[tuple[int, Usage]]:
    """The row as so many calls of the same use; tokens that were logged as a total are calls of their own."""
    prompt, completion = row["prompt_tokens"], row["completion_tokens"]
    undivided = max(row["total_tokens"] - prompt - completion, 0)
    microseconds = int(row["duration_seconds"] * 1_000_000)
    counts = [int(row.get(name, 0)) for name in COUNTS]
    of_prompt, of_completion = _prompt_kinds(row), _completion_kinds(row)
    totals = (*_sums_up_to(of_prompt, prompt), *_sums_up_to(of_completion, completion))
    for count, shares in _evenly(row["request_count"], *totals, undivided, microseconds, *counts):
        prompt_shares, shares = shares[: len(of_prompt) + 1], shares[len(of_prompt) + 1 :]
        completion_shares, shares = shares[: len(of_completion) + 1], shares[len(of_completion) + 1 :]
        undivided_share, microseconds_share, *count_shares = shares
        details = _details(
            dict(zip(of_prompt, _steps(prompt_shares), strict=False)),
            dict(zip(of_completion, _steps(completion_shares), strict=False)),
        ) | dict(zip(COUNTS, count_shares, strict=True))
        details = {name: number for name, number in details.items() if number}
        seconds = Decimal(microseconds_share) / 1_000_000 if microseconds_share else None
        tokens = prompt_shares[-1], completion_shares[-1]
        if any(tokens) or seconds or details:
            yield count, Usage(*tokens, sum(tokens), seconds, details)
        # The tokens beside a length of audio are those of its transcript.
        if undivided_share and not seconds:
            yield count, Usage(total_tokens=undivided_share)


def _prompt_kinds(row: Mapping[Any, Any]) -> dict[str, int]:
    """The prompt's tokens by kinds that do not overlap; what is left is text."""
    audio, cached_audio = row.get("prompt_audio_tokens", 0), row.get("cached_audio_tokens", 0)
    image, cached_image = row.get("prompt_image_tokens", 0), row.get("cached_image_tokens", 0)
    write, write_1h = row.get("cache_write_tokens", 0), row.get("cache_write_1h_tokens", 0)
    return {
        "cached_audio": cached_audio,
        "audio": audio - cached_audio,
        "cached_image": cached_image,
        "image": image - cached_image,
        "cached": row.get("cached_tokens", 0) - cached_audio - cached_image,
        "write_1h": write_1h,
        "write": write - write_1h,
    }


def _completion_kinds(row: Mapping[Any, Any]) -> dict[str, int]:
    return {
        "audio": row.get("completion_audio_tokens", 0),
        "image": row.get("completion_image_tokens", 0),
        "reasoning": row.get("reasoning_tokens", 0),
    }


def _details(prompt: Mapping[str, int], completion: Mapping[str, int]) -> dict[str, int]:
    """The same as the parts of a Usage, which do overlap."""
    return {
        "cached_tokens": prompt["cached"] + prompt["cached_audio"] + prompt["cached_image"],
        "cached_audio_tokens": prompt["cached_audio"],
        "cached_image_tokens": prompt["cached_image"],
        "prompt_audio_tokens": prompt["audio"] + prompt["cached_audio"],
        "prompt_image_tokens": prompt["image"] + prompt["cached_image"],
        "cache_write_tokens": prompt["write"] + prompt["write_1h"],
        "cache_write_1h_tokens": prompt["write_1h"],
        "completion_audio_tokens": completion["audio"],
        "completion_image_tokens": completion["image"],
        "reasoning_tokens": completion["reasoning"],
    }


def _sums_up_to(kinds: Mapping[str, int], whole: int) -> Iterator[int]:
    """The sums of the first one, two, ... kinds, none above the whole, and the whole.

    Shares of sums add up where shares of each kind may come to more than the whole.
    """
    for total in accumulate(max(int(count), 0) for count in kinds.values()):
        yield min(total, whole)
    yield whole


def _steps(sums: Sequence[int]) -> Iterator[int]:
    return (after - before for before, after in pairwise((0, *sums)))


def _evenly(count: int, *totals: int) -> Iterator[tuple[int, list[int]]]:
    """Whole shares of the totals for `count` calls, which add up exactly; calls with the same ones together.

    All as one call would be wrong where a price depends on the length of a prompt.
    """
    # Up to there the calls get one more of it than the others.
    steps = sorted({0, count, *(total % count for total in totals)})
    for begin, end in pairwise(steps):
        yield end - begin, [total // count + (begin < total % count) for total in totals]
