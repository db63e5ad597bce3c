"""The way of nearly all rows of files without a format: a call of text tokens, priced by a list.

It takes a third of what parsing and make_call() take, and makes the same line, which tests hold. Of whatever
is out of the ordinary it makes nothing, and the row goes the long way, which says what is wrong.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from analytics.calls.make import Call
from analytics.calls.row import EARLIEST, LATEST, LINE_COLUMNS, NO_FACTS, NULL, parts_line
from analytics.calls.usage_objects import read_usage
from analytics.calls.validation import checked_json, checked_party
from analytics.errors import InvalidInput
from analytics.importing.parsing import COUNTS, TAG
from analytics.importing.plan import ImportPlan
from analytics.importing.reader import record_id
from analytics.pricing.price_list import DETAILS, PriceList, Usage
from analytics.pricing.quotes import Quote

_KIND = ("source", "model", "operation", "outcome", "service_tier", "account", "tags")
_PARTY = ("conversation_id", "phone")
_MILLISECONDS = ("latency_ms", "time_to_first_token_ms")
_OF_PROMPT, _OF_COMPLETION = ("cached_tokens", "cache_write_tokens"), ("reasoning_tokens",)
_KIND_AT, _PARTY_AT = LINE_COLUMNS.index("operation"), LINE_COLUMNS.index("client_id")
_MOST_KINDS = 10_000


class _Kind(NamedTuple):
    quote: Quote
    source: str
    model: str | None
    text: str
    """The fields of a line that say what kind of call it is."""


class QuickRows:
    """Rows of one file."""

    def __init__(self, plan: ImportPlan, prices: PriceList, client_id: UUID) -> None:
        self._plan, self._prices, self._client_id = plan, prices, client_id
        places = {target: place for place, target in enumerate(plan.columns)}
        self._at, self._usage = (places.get(name, -1) for name in ("created_at", "usage"))
        self._prompt, self._completion, self._total = (places.get(name, -1) for name in COUNTS)
        self._conversation, self._phone = (places.get(name, -1) for name in _PARTY)
        self._kind_at = [place for target, place in places.items() if _is_of_kind(target)]
        self._details = [(name, places[name]) for name in DETAILS if name in places]
        self._timed_at = [places.get(name, -1) for name in _MILLISECONDS]
        self._notation, self._zone = plan.notation, plan.notation.timezone
        self._kinds: dict[tuple[Any, ...], _Kind] = {}
        # Beside a usage object counts are other targets' business.
        counts = {*COUNTS, *_OF_PROMPT, *_OF_COMPLETION} if self._usage < 0 else {"usage"}
        known = {"created_at", *counts, *_MILLISECONDS, *_PARTY}
        self.are_possible = (
            plan.format is None
            and not plan.reading.is_own_export
            and plan.notation.date_format is None
            and self._at >= 0
            and (self._usage >= 0 or min(self._prompt, self._completion) >= 0)
            and all(target in known or _is_of_kind(target) for target in places)
            and all(map(_is_of_kind, plan.reading.constants))
        )

    def call(self, digest: bytes, values: Any) -> tuple[Call, datetime] | None:
        """The call of a row and its time, or None where it has to go the long way."""
        key = self._key(values)
        kind = None if key is None else self._kinds.get(key)
        if kind is None:
            return None
        usage = self._counts(values) if self._usage < 0 else _usage(values[self._usage], kind)
        at = self._time(values[self._at])
        who = self._party(values)
        if usage is None or at is None or who is None:
            return None
        timed = []
        for place in self._timed_at:
            value = values[place] if place >= 0 else None
            if value is None or value == "":
                timed.append(NULL)
            elif (milliseconds := _count(value)) is None:
                return None
            else:
                timed.append(str(milliseconds))
        cost = kind.quote.cost(at, usage, "priced")
        metadata = checked_json({}, cost.price)
        if metadata is None or "\\" in metadata:
            return None
        prompt, completion, total, _, details = usage
        bits = record_id(digest)
        line = (
            f"{bits}\t{at.isoformat()}\t{prompt}\t{completion}\t{total}\t{cost.amount_usd!s}\t{cost.basis}\t"
            f"{metadata}\t{parts_line(details)}\t{NULL}\t{timed[0]}\t{timed[1]}\t{_UNTOLD}\t{kind.text}\t{who}\n"
        )
        return Call(UUID(int=int(bits, 16)), line, cost.basis == "unpriced"), at

    def learn(self, values: Any, call: Call) -> None:
        """Remembers what kind of call the row is, as the long way read it."""
        key = self._key(values)
        fields = call.line.split("\t")
        source, model, tier = (
            None if fields[place] == NULL else fields[place] for place in map(LINE_COLUMNS.index, _PRICED_BY)
        )
        if key is None or source is None or "\\" in f"{source}{model}{tier}" or "-search-" in f"{model}":
            return
        if len(self._kinds) >= _MOST_KINDS:
            self._kinds.clear()
        quote = self._prices.quote(str(self._client_id), source, model, tier)
        self._kinds[key] = _Kind(quote, source, model, "\t".join(fields[_KIND_AT:_PARTY_AT]))

    def _key(self, values: Any) -> tuple[Any, ...] | None:
        """What tells kinds apart; None where a value is no text, and no object of texts."""
        key = []
        for place in self._kind_at:
            value = values[place]
            if type(value) is dict:
                key += [len(value), *value, *value.values()]
            else:
                key.append(value)
        if all(type(each) is str or each is None or type(each) is int for each in key):
            return tuple(key)
        return None

    def _party(self, values: Any) -> str | None:
        conversation = values[self._conversation] if self._conversation >= 0 else None
        phone = values[self._phone] if self._phone >= 0 else None
        if (conversation is not None and type(conversation) is not str) or (
            phone is not None and type(phone) is not str
        ):
            return None
        try:
            return checked_party(self._client_id, conversation, phone)[1]
        except InvalidInput:
            return None

    def _time(self, value: Any) -> datetime | None:
        try:
            if type(value) is not str:
                at = self._notation.instant(value)
            elif value[4:5] == "-":
                at = datetime.fromisoformat(value)
                if at.tzinfo is not UTC:
                    at = (at.replace(tzinfo=self._zone) if at.tzinfo is None else at).astimezone(UTC)
            else:
                return None
        except (InvalidInput, ValueError, OverflowError):
            return None
        return at if EARLIEST <= at < LATEST and self._plan.takes(at) else None

    def _counts(self, values: Any) -> Usage | None:
        """The usage that columns tell, where nothing in it can be wrong."""
        prompt, completion = _count(values[self._prompt]), _count(values[self._completion])
        if prompt is None or completion is None or not prompt + completion:
            return None
        if self._total >= 0 and _count(values[self._total]) != prompt + completion:
            return None
        details: dict[str, int] = {}
        of_prompt, of_completion = prompt, completion
        for name, place in self._details:
            value = values[place]
            if value is None or value == "":
                continue
            count = _count(value)
            if count is None:
                return None
            if name in _OF_PROMPT:
                of_prompt -= count
            else:
                of_completion -= count
            details[name] = count
        if of_prompt < 0 or of_completion < 0:
            return None
        return Usage(prompt, completion, prompt + completion, None, details)


def _is_of_kind(target: str) -> bool:
    return target in _KIND or target.startswith(TAG)


def _usage(value: Any, kind: _Kind) -> Usage | None:
    """The usage of a provider's object that tells nothing else."""
    if type(value) is not dict:
        return None
    found = read_usage(value, kind.source, kind.model)
    if found.metadata or found.missing or found.not_understood or found.model or found.facts != NO_FACTS:
        return None
    return found.usage if found.usage.duration_seconds is None else None


_PRICED_BY = ("source", "model", "service_tier")
_UNTOLD = "\t".join([NULL] * 4)
"""Facts of a line that such a row does not tell: operation_id, attempt, response_id, stated_cost_usd."""


def _count(value: Any) -> int | None:
    if type(value) is str:
        return int(value) if len(value) <= 9 and value.isascii() and value.isdecimal() else None
    return value if type(value) is int and 0 <= value <= 999_999_999 else None
