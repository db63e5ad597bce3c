"""A price sheet: what each meter of a model costs, and what a call comes to by it. Pure.

Public prices, prices of one's own and discounts all become sheets, so all calls are counted one way.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import cached_property

from analytics.pricing.tokens import UNDIVIDED, Amount, Rates, token_amount
from analytics.pricing.usage import COST_DECIMALS, ONE_REQUEST, Requests, Usage

__all__ = ["UNDIVIDED", "Amount", "Rates", "Sheet", "is_plain"]

# Where only these are used, a call is one of plain text.
_OF_TEXT = frozenset({"cached_tokens", "reasoning_tokens"})
_ZERO = Decimal(0)

# In the order of the notes.
_FEES = (
    ("web_search_count", "web_search", "web searches"),
    ("file_search_count", "file_search", "file searches"),
    ("code_run_count", "code_run", "code runs"),
)


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

    def scaled(self, factor: Decimal) -> "Sheet":
        """The same at another price, such as a discount's."""
        return self.with_rates(lambda rates: rates.times(factor))

    def with_rates(self, change: Callable[[Rates], Rates]) -> "Sheet":
        """The same, with each of its sets of rates changed."""
        return Sheet(
            change(self.rates),
            longer=[(above, change(rates)) for above, rates in self.longer],
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

    def amount(self, usage: Usage, requests: Requests = ONE_REQUEST) -> Amount:
        """US dollars of one call, or of several together, not rounded."""
        if self.is_free:
            return Amount(_ZERO)
        length = usage.prompt_tokens if requests.prompt_tokens is None else requests.prompt_tokens
        rates = self.rates_for(length)
        found = self._amount(usage, rates, requests.number)
        if found.usd is None:
            return found
        guesses = list(found.guesses)
        if requests.is_average and usage.prompt_tokens > self.short_prompt:
            guesses.append("how long each prompt was is not told: the price is that of their average length")
        if self.guess:
            guesses.insert(0, self.guess)
        usd = found.usd
        if rates.request is not None:
            usd += rates.request * requests.number
            guesses += self._guesses_of("request")
        details = usage.details
        for name, rate_name, words in _FEES:
            count = details.get(name)
            if count is None:
                count = requests.number if name == "web_search_count" and self.always_searches else 0
            if not count:
                continue
            if name == "web_search_count" and self.searches_once:
                count = min(count, requests.number)
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

    def _amount(self, usage: Usage, rates: Rates, requests: int) -> Amount:
        """Without fees: by tokens where they are known and sold, else by the length of audio, and so on."""
        if self.counts_both and usage.duration_seconds is not None and rates.hour is not None:
            usage = _without_audio(usage)
        prompt, completion, total, seconds, details = usage
        by_tokens = Amount(None)
        # A length without tokens is not "no tokens": where only tokens have a price it is unknown, not free.
        if (prompt or completion or total or not self._has_other(usage)) and self.has_tokens:
            by_tokens = token_amount(
                usage,
                rates,
                guessed=self.guesses,
                makes_pictures=self.makes_pictures,
                makes_audio=self.makes_audio,
            )
            if by_tokens.usd is not None:
                if not self.counts_both or seconds is None or rates.hour is None:
                    return by_tokens
                return by_tokens._replace(usd=by_tokens.usd + seconds * rates.hour / 3600)
        if seconds is not None and rates.hour is not None:
            charged = max(seconds, Decimal(self.second_minimum * requests)) if seconds else _ZERO
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


def _without_audio(usage: Usage) -> Usage:
    """The usage without the tokens of audio in the prompt, which is paid for by its length."""
    audio = min(usage.details.get("prompt_audio_tokens", 0), usage.prompt_tokens)
    if not audio:
        return usage
    details = {name: count for name, count in usage.details.items() if name != "prompt_audio_tokens"}
    return usage._replace(
        prompt_tokens=usage.prompt_tokens - audio, total_tokens=usage.total_tokens - audio, details=details
    )


def is_plain(details: Mapping[str, int]) -> bool:
    """Whether a call of these parts is one of text: of others it is known at most that there are none."""
    if details.keys() <= _OF_TEXT:
        return True
    # Most counts are 0, which is the faster thing to ask.
    return not any(count and name not in _OF_TEXT for name, count in details.items())
