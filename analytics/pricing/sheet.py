"""A price sheet: what each meter of a model costs, and what a call comes to by it. Pure.

Public prices, prices of one's own and discounts all become sheets, so all calls are counted one way. Each
token is counted once, by the narrowest kind that it is known to be of: a cached audio token is neither a
cached token of text nor a token of audio that was not cached.
"""

import sys
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from analytics.pricing.usage import COST_DECIMALS, Usage

UNDIVIDED = "a total, but no prompt and completion"

# Where only these are used, a call is one of plain text.
_OF_TEXT = frozenset({"cached_tokens", "reasoning_tokens"})
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


# In the order of the notes.
_FEES = (
    ("web_search_count", "web_search", "web searches"),
    ("file_search_count", "file_search", "file searches"),
    ("code_run_count", "code_run", "code runs"),
)


class Amount(NamedTuple):
    """What a call comes to, or why that is not known."""

    usd: Decimal | None
    guesses: tuple[str, ...] = ()
    """What makes the amount an estimate."""
    reason: str = ""
    """Why there is none."""
    by_tokens: bool = True
    """Whether tokens decided, and not a length of audio, characters or pictures."""


class Sheet:
    """The rates of a model at one time and tier."""

    def __init__(
        self,
        rates: Rates,
        *,
        longer: Iterable[tuple[int, Rates]] = (),
        guesses: Mapping[str, str] | None = None,
        guess: str = "",
        second_minimum: int = 0,
        always_searches: bool = False,
        searches_once: bool = False,
        makes_pictures: bool = False,
        makes_audio: bool = False,
        is_free: bool = False,
        counts_both: bool = False,
    ) -> None:
        """
        Args:
            rates: those of short prompts.
            longer: those of prompts with more than so many tokens, the shortest first.
            guesses: names of rates that are guesses, with the reason.
            guess: why all of it is a guess.
            second_minimum: the least length of audio that is charged for, in seconds.
            always_searches: whether a call without a count of searches made one.
            searches_once: whether a call that searches pays once, however often.
            makes_pictures: whether output of an unknown kind may be pictures.
            makes_audio: whether tokens of an unknown kind may be audio.
            is_free: whether all is free of charge, whatever it is.
            counts_both: whether the length of audio is paid for beside tokens, and not instead of them.
        """
        self.rates = rates
        self.longer = tuple(longer)
        self.guesses = guesses or {}
        self.guess = guess
        self.second_minimum = second_minimum
        self.always_searches = always_searches
        self.searches_once = searches_once
        self.makes_pictures = makes_pictures
        self.makes_audio = makes_audio
        self.is_free = is_free
        self.counts_both = counts_both

    @cached_property
    def has_tokens(self) -> bool:
        """Whether the model is sold by tokens."""
        return self.rates.input is not None or self.rates.output is not None

    @cached_property
    def plain(self) -> tuple[Decimal, Decimal, Decimal | None] | None:
        """Input, cached input and output where a call of text and a short prompt comes to nothing else."""
        rates = self.rates
        if (
            rates.input is None
            or self.guess
            or self.always_searches
            or self.is_free
            or self.counts_both
            or rates.request is not None
            or rates.reasoning is not None
            or self.makes_audio
            or self.makes_pictures
            or not self.guesses.keys().isdisjoint(("input", "cached_input", "output"))
        ):
            return None
        cached = rates.input if rates.cached_input is None else rates.cached_input
        found = (rates.input, cached, rates.output)
        # Whole tokens at these need no rounding.
        exponents = [int(rate.as_tuple().exponent) for rate in found if rate is not None]
        return found if all(-COST_DECIMALS <= exponent <= 0 for exponent in exponents) else None

    @cached_property
    def short_prompt(self) -> int:
        """The most tokens of a prompt that `rates` are of."""
        return self.longer[0][0] if self.longer else sys.maxsize

    @cached_property
    def depends_on_cached(self) -> bool:
        """Whether cached input has a price of its own."""
        return self.rates.cached_input not in (None, self.rates.input)

    def scaled(self, factor: Decimal) -> "Sheet":
        """The same at another price, such as a discount's."""
        return Sheet(
            self.rates.times(factor),
            longer=[(above, rates.times(factor)) for above, rates in self.longer],
            guesses=self.guesses,
            guess=self.guess,
            second_minimum=self.second_minimum,
            always_searches=self.always_searches,
            searches_once=self.searches_once,
            makes_pictures=self.makes_pictures,
            makes_audio=self.makes_audio,
            is_free=self.is_free,
            counts_both=self.counts_both,
        )

    def amount(self, usage: Usage) -> Amount:
        """US dollars of one call, not rounded."""
        if self.is_free:
            return Amount(_ZERO)
        rates = self.rates_for(usage.prompt_tokens)
        found = self._amount(usage, rates)
        if found.usd is None:
            return found
        guesses = list(found.guesses)
        if self.guess:
            guesses.insert(0, self.guess)
        usd = found.usd
        if rates.request is not None:
            usd += rates.request
            guesses += self._guesses_of("request")
        details = usage.details
        for name, rate_name, words in _FEES:
            count = details.get(name)
            if count is None:
                count = 1 if name == "web_search_count" and self.always_searches else 0
            if not count:
                continue
            if name == "web_search_count" and self.searches_once:
                count = 1
            rate = getattr(rates, rate_name)
            if rate is None:
                guesses.append(f"{words} have no price here and are not counted")
            else:
                usd += count * rate
                guesses += self._guesses_of(rate_name)
        return found._replace(usd=usd, guesses=tuple(guesses))

    def rates_for(self, prompt_tokens: int) -> Rates:
        """Those of a prompt of this length: all of its tokens cost the same."""
        found = self.rates
        for above, rates in self.longer:
            if prompt_tokens > above:
                found = rates
        return found

    def _amount(self, usage: Usage, rates: Rates) -> Amount:
        """Without fees: by tokens where they are known and sold, else by the length of audio, and so on."""
        prompt, completion, total, seconds, details = usage
        by_tokens = Amount(None)
        # A length without tokens is not "no tokens": where only tokens have a price it is unknown, not free.
        if (prompt or completion or total or not self._has_other(usage)) and self.has_tokens:
            by_tokens = self._token_amount(usage, rates)
            if by_tokens.usd is not None:
                if not self.counts_both or seconds is None or rates.hour is None:
                    return by_tokens
                return by_tokens._replace(usd=by_tokens.usd + seconds * rates.hour / 3600)
        if seconds is not None and rates.hour is not None:
            charged = max(seconds, Decimal(self.second_minimum)) if seconds else _ZERO
            return Amount(charged * rates.hour / 3600, self._guesses_of("hour"), by_tokens=False)
        if rates.character is not None and "character_count" in details:
            return Amount(
                details["character_count"] * rates.character, self._guesses_of("character"), by_tokens=False
            )
        if rates.image is not None and "image_count" in details:
            return Amount(details["image_count"] * rates.image, self._guesses_of("image"), by_tokens=False)
        return Amount(None, reason=by_tokens.reason or self._why_not(usage, rates))

    def _has_other(self, usage: Usage) -> bool:
        details = usage.details
        return bool(
            usage.duration_seconds is not None or details.get("character_count") or details.get("image_count")
        )

    def _why_not(self, usage: Usage, rates: Rates) -> str:
        if self.has_tokens:
            what = (
                "a duration"
                if usage.duration_seconds is not None
                else "a number of characters"
                if usage.details.get("character_count")
                else "a number of pictures"
            )
            return f"is of tokens, and only {what} is known"
        if rates.hour is not None:
            return "is by the minute: duration_seconds is needed, tokens do not tell"
        if rates.character is not None:
            return "is by characters: character_count is needed, tokens do not tell"
        if rates.image is not None:
            return "is by the picture: image_count is needed, tokens do not tell"
        return "has none for this kind of usage"

    def _guesses_of(self, *names: str) -> tuple[str, ...]:
        return tuple(self.guesses[name] for name in names if name in self.guesses)

    def _token_amount(self, usage: Usage, rates: Rates) -> Amount:
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
        input_usd = self._input_amount(prompt, details, rates, guesses)
        if isinstance(input_usd, str):
            return Amount(None, reason=input_usd)
        output_usd = self._output_amount(completion, details, rates, guesses)
        if isinstance(output_usd, str):
            return Amount(None, reason=output_usd)
        return Amount(input_usd + output_usd, tuple(guesses))

    def _input_amount(
        self, prompt: int, details: Mapping[str, int], rates: Rates, guesses: list[str]
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
                image
                and "cached_image_tokens" not in details
                and rates.image_input not in (None, rates.input)
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
        guesses += self._guesses_of(*(name for name, count in used.items() if count))
        return amount

    def _output_amount(
        self, completion: int, details: Mapping[str, int], rates: Rates, guesses: list[str]
    ) -> Decimal | str:
        """US dollars of the completion, or why there is no price for it."""
        get = details.get
        audio, image = get("completion_audio_tokens", 0), get("completion_image_tokens", 0)
        if audio + image > completion:
            return _misfit(audio + image, completion)
        if not completion:
            return _ZERO
        if self.makes_pictures and "completion_image_tokens" not in details and not audio:
            if rates.image_output is None:
                guesses.append("how much of the output was pictures is not told: all is counted as text")
            else:
                guesses.append("how much of the output was pictures is not told: all is counted as pictures")
                image = completion
        if (
            self.makes_audio
            and "completion_audio_tokens" not in details
            and "prompt_audio_tokens" not in details
        ):
            guesses.append("how many tokens were audio is not told: all are counted as text")
        reasoning = (
            0 if rates.reasoning is None else min(get("reasoning_tokens", 0), completion - audio - image)
        )
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
        guesses += self._guesses_of(*(name for name, count in names if count))
        return amount


def is_plain(details: Mapping[str, int]) -> bool:
    """Whether a call of these parts is one of text: of others it is known at most that there are none."""
    if details.keys() <= _OF_TEXT:
        return True
    # Most counts are 0, which is the faster thing to ask.
    return not any(count and name not in _OF_TEXT for name, count in details.items())


def _misfit(parts: int, whole: int) -> str:
    return f"does not apply: {parts:,} tokens of audio and pictures are more than the whole, {whole:,}"
