"""What the tokens of a call come to. Pure.

Each token is counted once, by the narrowest kind that it is known to be of: a cached audio token is neither a
cached token of text nor a token of audio that was not cached.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from analytics.pricing.usage import Usage

UNDIVIDED = "a total, but no prompt and completion"

_ZERO = Decimal(0)


class Rates(NamedTuple):
    """US dollars; None: the model is not sold by that, or the list does not say."""

    input: Decimal | None = None
    """Per token, as all that say nothing else."""
    cached_input: Decimal | None = None
    """None: as input."""
    output: Decimal | None = None
    """None: the model answers with none."""
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None
    """None: as other output."""
    audio_input: Decimal | None = None
    cached_audio: Decimal | None = None
    """None: as audio that is not cached."""
    audio_output: Decimal | None = None
    image_input: Decimal | None = None
    cached_image: Decimal | None = None
    """None: as pictures that are not cached."""
    image_output: Decimal | None = None
    character: Decimal | None = None
    image: Decimal | None = None
    """Per picture."""
    hour: Decimal | None = None
    """Per hour of audio."""
    web_search: Decimal | None = None
    """Per call of the tool, as the two below."""
    file_search: Decimal | None = None
    code_run: Decimal | None = None
    request: Decimal | None = None
    """Per call, beside its tokens."""

    def times(self, factor: Decimal) -> "Rates":
        return Rates._make(None if rate is None else rate * factor for rate in self)


class Amount(NamedTuple):
    """What a call comes to, or why that is not known."""

    usd: Decimal | None
    guesses: tuple[str, ...] = ()
    """What makes the amount an estimate."""
    reason: str = ""
    """Why there is none."""
    by_tokens: bool = True
    """Whether tokens decided, and not a length of audio, characters or pictures."""


def token_amount(
    usage: Usage,
    rates: Rates,
    *,
    guessed: Mapping[str, str],
    makes_pictures: bool,
    makes_audio: bool,
) -> Amount:
    """US dollars of the tokens, not rounded.

    Args:
        usage: of one call.
        rates: those of a prompt of its length.
        guessed: names of rates that are guesses, with the reason.
        makes_pictures: whether output of an unknown kind may be pictures.
        makes_audio: whether tokens of an unknown kind may be audio.
    """
    prompt, completion, total, _, details = usage
    guesses: list[str] = []
    if not prompt and not completion and total:
        # A total without parts has a price only where input and output cost the same.
        if rates.output is not None and rates.output != rates.input:
            return Amount(None, reason=UNDIVIDED)
        prompt = total
    elif total > prompt + completion:
        beyond = total - prompt - completion
        guesses.append(f"{beyond:,} tokens of the total are in neither part: counted as output")
        completion += beyond
    input_usd = _input_amount(prompt, details, rates, guessed, guesses)
    if isinstance(input_usd, str):
        return Amount(None, reason=input_usd)
    if makes_pictures and "completion_image_tokens" not in details and completion:
        details = _with_pictures(completion, details, rates, guesses)
    if makes_audio and completion and not _tells_audio(details):
        guesses.append("how many tokens were audio is not told: all are counted as text")
    output_usd = _output_amount(completion, details, rates, guessed, guesses)
    if isinstance(output_usd, str):
        return Amount(None, reason=output_usd)
    return Amount(input_usd + output_usd, tuple(guesses))


def _input_amount(
    prompt: int, details: Mapping[str, int], rates: Rates, guessed: Mapping[str, str], guesses: list[str]
) -> Decimal | str:
    """US dollars of the prompt, or why there is no price for it."""
    get = details.get
    audio, image = get("prompt_audio_tokens", 0), get("prompt_image_tokens", 0)
    if audio + image > prompt:
        return _misfit(audio + image, prompt)
    if not prompt and not get("cached_tokens") and not get("cache_write_tokens"):
        return _ZERO
    if rates.input is None:
        return "has none for input"
    cached, write = get("cached_tokens", 0), get("cache_write_tokens", 0)
    write_1h = get("cache_write_1h_tokens", 0)
    write = max(write, write_1h)
    if cached + write > prompt:
        guesses.append(f"{cached + write:,} cached and written tokens are more than the prompt")
        cached = min(cached, prompt)
        write = min(write, prompt - cached)
        write_1h = min(write_1h, write)
    # What must be cached of audio and pictures, as there is not so much text.
    beyond_text = max(cached + write - (prompt - audio - image), 0)
    told_cached = get("cached_audio_tokens", 0), get("cached_image_tokens", 0)
    cached_audio = min(told_cached[0], audio, cached)
    cached_image = min(told_cached[1], image, cached - cached_audio)
    if cached and (audio or image):
        if (audio and "cached_audio_tokens" not in details) or (
            image and "cached_image_tokens" not in details and rates.image_input not in (None, rates.input)
        ):
            guesses.append("how many of the cached tokens were audio or pictures is not told")
        missing = max(beyond_text - cached_audio - cached_image, 0)
        told = "cached_audio_tokens" in details and "cached_image_tokens" in details
        if (told and missing) or (cached_audio, cached_image) != told_cached:
            guesses.append("the cached tokens do not fit their kinds")
        more_audio = min(missing, audio - cached_audio)
        cached_audio += more_audio
        cached_image += min(missing - more_audio, image - cached_image)
    fresh_audio, fresh_image = audio - cached_audio, image - cached_image
    cached_text = cached - cached_audio - cached_image
    text = max(prompt - fresh_audio - fresh_image - cached - write, 0)

    used = {"input": text, "cached_input": cached_text}
    amount = text * rates.input
    cached_rate = rates.input if rates.cached_input is None else rates.cached_input
    amount += cached_text * cached_rate
    if fresh_audio or cached_audio:
        if rates.audio_input is None:
            return "has none for audio tokens of the prompt"
        cached_audio_rate = rates.audio_input if rates.cached_audio is None else rates.cached_audio
        amount += fresh_audio * rates.audio_input + cached_audio * cached_audio_rate
        used |= {"audio_input": fresh_audio, "cached_audio": cached_audio}
    if fresh_image or cached_image:
        image_rate = rates.image_input
        if image_rate is None:
            guesses.append("pictures of the prompt have no price here and cost what text does")
            image_rate, cached_image_rate = rates.input, cached_rate
        else:
            cached_image_rate = image_rate if rates.cached_image is None else rates.cached_image
        amount += fresh_image * image_rate + cached_image * cached_image_rate
        used |= {"image_input": fresh_image, "cached_image": cached_image}
    if write:
        write_rate = rates.cache_write
        if write_rate is None:
            guesses.append("cache writes have no price here and cost what other input does")
            write_rate = rates.input
        hour_rate = rates.cache_write_1h
        if write_1h and hour_rate is None and rates.cache_write is not None:
            guesses.append("cache writes for an hour have no price here and cost what others do")
        hour_rate = write_rate if hour_rate is None else hour_rate
        amount += (write - write_1h) * write_rate + write_1h * hour_rate
        used |= {"cache_write": write - write_1h, "cache_write_1h": write_1h}
    guesses += (guessed[name] for name, count in used.items() if count and name in guessed)
    return amount


def _output_amount(
    completion: int, details: Mapping[str, int], rates: Rates, guessed: Mapping[str, str], guesses: list[str]
) -> Decimal | str:
    """US dollars of the completion, or why there is no price for it."""
    get = details.get
    audio, image = get("completion_audio_tokens", 0), get("completion_image_tokens", 0)
    if audio + image > completion:
        return _misfit(audio + image, completion)
    if not completion:
        return _ZERO
    reasoning = 0 if rates.reasoning is None else min(get("reasoning_tokens", 0), completion - audio - image)
    text = completion - audio - image - reasoning
    amount = _ZERO
    for count, rate, what in (
        (text, rates.output, "output"),
        (audio, rates.audio_output, "audio tokens of the answer"),
        (image, rates.image_output, "pictures of the answer"),
        (reasoning, rates.reasoning, "reasoning"),
    ):
        if not count:
            continue
        if rate is None:
            return f"has none for {what}"
        amount += count * rate
    names = ("output", text), ("audio_output", audio), ("image_output", image), ("reasoning", reasoning)
    guesses += (guessed[name] for name, count in names if count and name in guessed)
    return amount


def _with_pictures(
    completion: int, details: Mapping[str, int], rates: Rates, guesses: list[str]
) -> Mapping[str, int]:
    """The parts of an answer that may be pictures, and does not say how much of it is."""
    audio = details.get("completion_audio_tokens", 0)
    if rates.image_output is None or audio:
        guesses.append("how much of the output was pictures is not told: all is counted as text")
        return details
    guesses.append("how much of the output was pictures is not told: all is counted as pictures")
    return {**details, "completion_image_tokens": completion}


def _tells_audio(details: Mapping[str, int]) -> bool:
    return "completion_audio_tokens" in details or "prompt_audio_tokens" in details


def _misfit(parts: int, whole: int) -> str:
    return f"does not apply: {parts:,} tokens of audio and pictures are more than the whole, {whole:,}"
