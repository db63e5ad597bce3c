"""From what the fields say to a Usage: what is in what, what is beside it, and what cannot be.

Whether a prompt has its cached tokens in it is known by the names of the fields (meters.BESIDE_INPUT). A
total that exceeds its parts is tokens that somebody billed: reasoning or cached tokens, where they are as
many as the surplus; otherwise it is counted as completion (Gemini by OpenAI's protocol leaves its thoughts
out of all but the total), and told. A total alone stays alone.
"""

from analytics.calls.row import MAX_TOKENS
from analytics.calls.usage.meters import BESIDE_INPUT, BESIDE_ITS_INPUT
from analytics.calls.usage.reading import Found
from analytics.pricing.price_list import DETAILS, Usage

_COUNTS_BESIDE = frozenset({"anthropic", "bedrock", "amazon-bedrock", "aws.bedrock"})
"""Sources whose inputTokens have no cached ones in them in Vercel's AI SDK 5: it passes on what it gets."""

_TOLD_BY = frozenset({"prompt", "completion", "total", "uncached"})

_TOOLS = ("web_search_count", "file_search_count", "code_run_count")

_WHOLES = (
    # Each sum of the parts is at most its whole. What goes first is kept, where they do not fit.
    (("cached_tokens", "cache_write_tokens"), "prompt"),
    (("uncached",), "prompt"),
    (("prompt_audio_tokens", "prompt_image_tokens"), "prompt"),
    (("cache_write_1h_tokens", "cache_write_5m"), "cache_write_tokens"),
    (("cached_audio_tokens", "cached_image_tokens"), "cached_tokens"),
    (("cached_audio_tokens",), "prompt_audio_tokens"),
    (("cached_image_tokens",), "prompt_image_tokens"),
    (("completion_audio_tokens", "completion_image_tokens", "reasoning_tokens"), "completion"),
)


def usage_of(found: Found, source: str | None = None) -> Usage | None:
    """The usage; None where no field tells any. What does not fit is told in `found`."""
    counts = found.counts
    for meter, more in found.added.items():
        counts[meter] = counts.get(meter, 0) + more
    found.added.clear()
    if found.seconds is None and not counts:
        return None
    has_wholes = found.seconds is not None or not counts.keys().isdisjoint(_TOLD_BY)
    if counts.get("all_tools", 0) > sum(counts.get(name, 0) for name in _TOOLS):
        found.tell(found.name_of("all_tools"), f"{counts['all_tools']}: more than the kinds that are known")
    _cache_writes(found)
    prompt, completion, base = _with_what_is_beside(found, source)
    total = counts.get("total", 0)
    if total and not prompt and not completion and not counts.get("reasoning_tokens"):
        prompt = completion = None  # a total alone, which some tell beside two zeros
    if completion is None and prompt is not None and total > prompt:
        completion = total - prompt  # a missing part is what the other one leaves of the total
    elif prompt is None and completion is not None and total > completion:
        prompt = total - completion
    if prompt is None and completion and not found.told:
        found.tell("prompt", "not told: its cost is missing")
    if prompt is not None or completion is not None:
        prompt, completion = _filled_up(found, prompt or 0, completion or 0, base)
        total = prompt + completion
    counts["prompt"], counts["completion"] = prompt or 0, completion or 0
    _drop_what_does_not_fit(found)
    details = {name: counts[name] for name in DETAILS if name in counts}
    if not has_wholes and not total and not any(details.values()):
        return None  # "0 cached" beside a prompt that is null says nothing of what was used
    return Usage(counts["prompt"], counts["completion"], total, found.seconds, details)


def _cache_writes(found: Found) -> None:
    counts = found.counts
    by_lifetime = counts.get("cache_write_1h_tokens", 0) + counts.get("cache_write_5m", 0)
    # LangChain tells 0 in all, where it tells them by lifetime.
    if by_lifetime and not counts.get("cache_write_tokens"):
        known = "cache_write_1h_tokens" if counts.get("cache_write_1h_tokens") else "cache_write_5m"
        is_beside = found.paths[known].startswith(("cache_creation.", "cache_details"))
        found.derive("cache_write_tokens", by_lifetime, known)
        if is_beside:
            found.paths["cache_write_tokens"] = "cache_creation_input_tokens"


def _with_what_is_beside(found: Found, source: str | None) -> tuple[int | None, int | None, int]:
    """Prompt and completion with all that is theirs; and the sum without, as a total may have been told."""
    counts, paths = found.counts, found.paths
    prompt, completion = counts.get("prompt"), counts.get("completion")
    base = (prompt or 0) + (completion or 0)
    cached, written = counts.get("cached_tokens", 0), counts.get("cache_write_tokens", 0)
    if not prompt and counts.get("uncached"):
        prompt = counts["uncached"] + cached + written
    elif paths.get("prompt") != "prompt_tokens":
        for meter in ("cached_tokens", "cache_write_tokens"):
            if meter in counts and _is_beside(found, meter, source):
                prompt = (prompt or 0) + counts[meter]
    else:
        for meter in ("cached_tokens", "cache_write_tokens"):
            if paths.get(meter, "").startswith("meta.anthropic."):
                prompt = (prompt or 0) + counts[meter]
    # Gemini counts both beside: total_token_count is the sum of prompt, candidates, tool use and thoughts.
    # Perplexity's deep research: docs.perplexity.ai, "Pricing".
    for meter in ("tool_use", "citations"):
        if counts.get(meter):
            prompt = (prompt or 0) + counts[meter]
    is_beside = paths.get("reasoning_tokens") == "thoughts_token_count" or (
        paths.get("reasoning_tokens") == "reasoning_tokens" and "citations" in counts
    )
    if is_beside and "reasoning_tokens" in counts:
        completion = (completion or 0) + counts["reasoning_tokens"]
    return prompt, completion, base


def _is_beside(found: Found, meter: str, source: str | None) -> bool:
    path = found.paths.get(meter, "")
    if path in BESIDE_ITS_INPUT:
        counts = found.counts
        return counts.get("total") != counts.get("prompt", 0) + counts.get("completion", 0)
    if path == "cached_input_tokens":  # AI SDK 5: as the provider has it
        by_source = isinstance(source, str) and source.strip().lower() in _COUNTS_BESIDE
        return by_source or found.counts[meter] > found.counts.get("prompt", 0)
    return path in BESIDE_INPUT or path.startswith("meta.anthropic.")


def _filled_up(found: Found, prompt: int, completion: int, base: int) -> tuple[int, int]:
    """Prompt and completion, with what the total has beyond them."""
    counts = found.counts
    total, reasoning = counts.get("total", 0), counts.get("reasoning_tokens", 0)
    cached = counts.get("cached_tokens", 0) + counts.get("cache_write_tokens", 0)
    whole = prompt + completion
    if total > whole:
        surplus = total - whole
        if reasoning and surplus >= reasoning and (surplus == reasoning or reasoning > completion):
            # xAI: total_tokens is prompt, completion and reasoning.
            completion += reasoning
            surplus -= reasoning
        elif surplus == cached or (
            surplus == counts.get("prompt_audio_tokens")
            and found.paths.get("prompt_audio_tokens") == "input_audio_tokens"
        ):
            prompt += surplus
            surplus = 0
        elif found.seconds and "prompt_audio_tokens" not in counts:
            # Mistral: the tokens of the audio, whose length it tells, are in the total only.
            prompt += surplus
            counts["prompt_audio_tokens"] = surplus
            surplus = 0
        if surplus:
            completion += surplus
            found.tell(
                found.name_of("total"),
                f"{total} is more than its parts, {total - surplus}: {surplus} counted as completion",
            )
    elif 0 < total < whole and total != base:
        found.tell(found.name_of("total"), f"{total} is less than its parts, {whole}: left out")
    if not total and reasoning > completion:
        found.tell(
            found.name_of("reasoning_tokens"),
            f"{reasoning} exceeds the completion's {completion}: counted beside it",
        )
        completion += reasoning
    return _storable(found, prompt, completion) if prompt + completion > MAX_TOKENS else (prompt, completion)


def _storable(found: Found, prompt: int, completion: int) -> tuple[int, int]:
    """Of prompt and completion, which no row can hold together, the larger one."""
    smaller, larger = ("completion", "prompt") if prompt >= completion else ("prompt", "completion")
    together = f"with the {larger} {prompt + completion}, more than is stored: left out"
    found.tell(found.name_of(smaller), f"{min(prompt, completion)} {together}")
    most = max(prompt, completion)
    if most > MAX_TOKENS:
        found.tell(found.name_of(larger), f"{most} with all its parts cannot be: read as {MAX_TOKENS}")
    most = min(most, MAX_TOKENS)
    return (most, 0) if larger == "prompt" else (0, most)


def _drop_what_does_not_fit(found: Found) -> None:
    counts = found.counts
    # A total alone has parts, too, though none of them is known.
    alone = counts.get("total", 0) if not counts["prompt"] and not counts["completion"] else 0
    for parts, whole in _WHOLES:
        if whole in ("prompt", "completion"):
            room = counts[whole] or alone
        elif whole in counts:
            room = counts[whole]
        elif whole in ("prompt_audio_tokens", "prompt_image_tokens"):
            continue  # the cached ones are parts of all cached tokens, too
        else:
            room = 0
        for part in parts:
            if part in counts:
                if counts[part] > room:
                    called = f"{_called(found, whole)}, {counts.get(whole, 0)}"
                    exceeds = counts[part] > counts.get(whole, 0)
                    why = f"exceeds {called}" if exceeds else f"has no room beside the others in {called}"
                    found.tell(found.name_of(part), f"{counts[part]} {why}: left out")
                    del counts[part]
                else:
                    room -= counts[part]


def _called(found: Found, whole: str) -> str:
    name = found.name_of(whole)
    return f"the {whole}" if name == whole and whole in ("prompt", "completion") else name
