"""One demo call, and the attempts before it that failed, as lines of usage_logs."""

import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from analytics.calls.row import FAILED, LINE_COLUMNS, NOT_UNDERSTOOD, Facts, copy_line, copy_names
from analytics.demo.models import ModelUse
from analytics.demo.profiles import DemoClient
from analytics.pricing.price_list import DEFAULT_PRICES, Cost, Usage

COLUMNS = ", ".join(LINE_COLUMNS[:-1]).replace("tags", "tag_set_id")
"""The columns of usage_logs that a line of calls_of() has."""
ENVIRONMENTS = ("production", "staging")
TagSets = Mapping[tuple[str, str], int]
"""The id of the tags of a feature in an environment."""

_TRANSCRIPT_TOKENS_PER_SECOND = 3.3  # 150 words a minute
_LONG_PROMPT = 1024  # tokens, from which on prompts are cached
_CACHE_STEP = 128
_PICTURE_TOKENS = 1056  # 1024 x 1024 at medium quality
_FIELD = "completion_tokens_details.video_tokens"
_STAGING, _CUT, _REFUSED, _NEW_FIELD, _FAILED_AGAIN = 0.06, 0.004, 0.002, 0.04, 0.2  # chances


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """Somebody who writes."""

    id: str
    phone: str
    name: str
    first_day: int
    last_day: int
    weight: float


def calls_of(
    profile: DemoClient,
    caller: Conversation | None,
    use: ModelUse,
    created_at: datetime,
    tag_sets: TagSets,
    chance: random.Random,
    *,
    is_recent: bool,
) -> Iterator[tuple[datetime, str]]:
    """When the call and its failed attempts were made, oldest first, and their lines (see COLUMNS).

    `is_recent` calls may have what came up lately.
    """
    luck = chance.random
    call_id = _id(chance)
    if luck() < profile.share_without_conversation:
        caller = None
    tag_set_id = None
    if use.features:
        feature = use.features[int(luck() * len(use.features))]
        tag_set_id = tag_sets.get((feature, ENVIRONMENTS[luck() < _STAGING]))
    tier = use.tier if use.tier and luck() < use.share_of_tier else None
    usage, estimated = _usage(use, chance)
    outcome = "ok" if use.first_token_ms else None
    is_stream = use.operation == "chat" and tier != "batch"
    if is_stream and (luck_of_it := luck()) < _CUT + _REFUSED:
        outcome, part = ("cut", 0.4) if luck_of_it < _CUT else ("refused", 0.1)
        usage = _with_completion(usage, 1 + int(usage.completion_tokens * part))
    has_new_field = use.has_new_field and luck() < _NEW_FIELD and is_recent

    def line(id: str, at: datetime, usage: Usage, cost: Cost, metadata: str | None, facts: Facts) -> str:
        names = copy_names(
            *facts[6:], use.source, use.model, None if tag_set_id is None else str(tag_set_id),
            profile.id.hex, caller and caller.id, caller and caller.phone, None,
        )  # fmt: skip
        # A conversation has its name already.
        return copy_line(id, at, usage, cost.amount_usd, cost.basis, metadata, facts, names)[:-4] + "\n"

    operation_id, attempt = None, None
    if luck() < use.share_failed:
        operation_id, attempt = _id(chance), 1 + (luck() < _FAILED_AGAIN)
        pause = 2 + 20 * luck()
        for number in range(attempt):
            at = created_at - timedelta(seconds=round((attempt - number) * pause, 3))
            # Refused at once, or nothing came within half a minute.
            waited = int(90 + 400 * luck()) if luck() < 0.7 else 30_000
            told = Facts(waited, None, operation_id, number + 1)._replace(
                operation=use.operation, outcome="error", service_tier=tier
            )
            yield at, line(_id(chance), at, Usage(), FAILED, _metadata(FAILED), told)
        attempt += 1

    cost = DEFAULT_PRICES.cost(
        source=use.source, model=use.model, at=created_at, usage=usage, client_id=profile.id,
        tokens_estimated=estimated or has_new_field, service_tier=tier,
    )  # fmt: skip
    latency, first_token = _times(use, usage, chance) if tier != "batch" else (None, None)
    facts = Facts(
        latency,
        first_token if is_stream else None,
        operation_id,
        attempt,
        f"resp_{call_id}" if use.source == "openai" and use.operation == "chat" else None,
        None if use.stated is None else cost.amount_usd * use.stated,
        use.operation,
        outcome,
        tier,
        None,
    )
    metadata = _with_usage(cost, usage) if has_new_field else _metadata(cost, estimated=estimated)
    yield created_at, line(call_id, created_at, usage, cost, metadata, facts)


def _id(chance: random.Random) -> str:
    return UUID(int=chance.getrandbits(128), version=4).hex


def _usage(use: ModelUse, chance: random.Random) -> tuple[Usage, bool]:
    """What the call used, and whether its tokens are an estimate."""
    drawn = chance.lognormvariate
    if use.median_seconds:
        seconds = Decimal(str(round(drawn(math.log(use.median_seconds), 0.6), 1)))
        # Whisper bills no tokens; what it wrote is counted so that it shows next to the other models.
        written = round(float(seconds) * _TRANSCRIPT_TOKENS_PER_SECOND)
        return Usage(0, written, written, seconds), True
    if use.median_characters:
        characters = 20 + int(drawn(math.log(use.median_characters), 0.5))
        return Usage(details={"character_count": characters}), False
    prompt = 20 + int(drawn(math.log(use.median_prompt_tokens), 0.7))
    completion = 0
    if use.median_completion_tokens:
        completion = 1 + int(drawn(math.log(use.median_completion_tokens), 0.6))
    details: dict[str, int] = {}
    if use.source in ("openai", "anthropic") and completion:
        is_cached = prompt >= _LONG_PROMPT and chance.random() < use.share_cached
        details["cached_tokens"] = int(prompt * 0.8) // _CACHE_STEP * _CACHE_STEP if is_cached else 0
        if use.writes_cache:
            details["cache_write_tokens"] = (
                prompt - details["cached_tokens"] - 20 if prompt >= _LONG_PROMPT else 0
            )
        else:
            details["reasoning_tokens"] = int(completion * use.share_of_reasoning)
    if use.share_of_audio:
        details["prompt_audio_tokens"] = int(prompt * use.share_of_audio)
        details["completion_audio_tokens"] = int(completion * use.share_of_audio)
    if use.has_pictures:
        completion = _PICTURE_TOKENS
        details |= {"completion_image_tokens": completion, "image_count": 1}
    if use.share_with_search:
        details["web_search_count"] = int(chance.random() < use.share_with_search)
    return Usage(prompt, completion, prompt + completion, None, details), False


def _with_completion(usage: Usage, completion: int) -> Usage:
    """The same call with a shorter answer."""
    details = {
        name: min(count, completion) if name in ("reasoning_tokens", "completion_audio_tokens") else count
        for name, count in usage.details.items()
    }
    return Usage(usage.prompt_tokens, completion, usage.prompt_tokens + completion, None, details)


def _times(use: ModelUse, usage: Usage, chance: random.Random) -> tuple[int | None, int | None]:
    """Milliseconds to the end of the answer and to its first token; None where they are not logged."""
    if not use.first_token_ms:
        return None, None
    first_token = chance.lognormvariate(math.log(use.first_token_ms), 0.35)
    return int(first_token + use.ms_per_token * usage.completion_tokens), int(first_token)


def _metadata(cost: Cost, *, estimated: bool = False) -> str:
    return _metadata_text(tuple(cost.price.items()), estimated)


@lru_cache(maxsize=1_000)
def _metadata_text(price: tuple[tuple[str, str], ...], estimated: bool) -> str:
    metadata: dict[str, Any] = {"tokens_estimated": True} if estimated else {}
    return json.dumps({**metadata, "price": dict(price)})


def _with_usage(cost: Cost, usage: Usage) -> str:
    """The metadata of a call whose usage object had a field that nobody knows."""
    told = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "completion_tokens_details": {"reasoning_tokens": 0, "video_tokens": 0},
    }
    return json.dumps({NOT_UNDERSTOOD: {_FIELD: "not known"}, "usage": told, "price": dict(cost.price)})
