"""Reads any usage object, field by field: each is a meter, or of no price, or told as not understood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from analytics.calls.row import MAX_COST_USD, MAX_SECONDS, MAX_TOKENS
from analytics.calls.usage.fields import MAX_NAME, fields_of, is_empty, snake, text_in
from analytics.calls.usage.meters import (
    AT_PRICE_OF_TEXT,
    CONTAINERS,
    COSTS,
    MODALITIES,
    OF_COSTS,
    OF_NO_PRICE,
    ORDINARY,
    PROVIDERS_OWN,
    REPEATED,
    RULES,
    SECTIONS,
    SPEEDS,
    TEXTS_OF_NO_PRICE,
    TIERS,
    TIMES,
)
from analytics.calls.validation import checked_amount, checked_count, number_in, quoted
from analytics.errors import InvalidInput

_MAX_TOLD = 50
_MAX_DEPTH = 6
_LONGEST = float(10**18)
_TICKS_PER_USD = 10**10  # docs.x.ai, "Cost tracking"
_SUMMED = "is the sum of several requests, kept as one call"


@dataclass
class Found:
    """What the fields of one usage object say."""

    counts: dict[str, int] = field(default_factory=dict)
    """By meter; those of Usage.details and "prompt", "completion", "total", ..."""
    added: dict[str, int] = field(default_factory=dict)
    """By meter: what comes on top, from lists."""
    paths: dict[str, str] = field(default_factory=dict)
    """By meter: the path, as meters.py has it, that told it."""
    seconds: Decimal | None = None
    service_tier: str | None = None
    operation: str | None = None
    stated_cost_usd: Decimal | None = None
    upstream_cost: Decimal | None = None
    """OpenRouter: what the provider takes for the call, from whoever has the key."""
    is_own_key: bool = False
    """OpenRouter: its own cost is its fee only, as the provider bills the owner of the key."""
    times: dict[str, Any] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    """As row.NOT_UNDERSTOOD."""
    _ranks: dict[str, int] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _values: int = 0

    def tell(self, name: str, what: str) -> None:
        if len(self.told) < _MAX_TOLD:
            self.told.setdefault(name[:MAX_NAME], what)

    def name_of(self, meter: str) -> str:
        """The field that told the meter, as the object calls it."""
        return self._names.get(meter, meter)

    def derive(self, meter: str, count: int, of: str) -> None:
        """A meter that another one told."""
        self.counts[meter], self.paths[meter] = count, self.paths[of]
        self._names[meter] = self.name_of(of)

    def read(self, fields: Mapping[str, Any], section: str = "", outer: str = "", depth: int = 0) -> None:
        """Reads the fields of an object; `section` begins their paths, `outer` their names in messages."""
        for given, value in fields.items():
            name = f"{outer}{given}"
            if not isinstance(given, str):
                if not is_empty(value):
                    self.tell(name, "not known")
                continue
            if value is None:
                continue
            self._values += 1
            if self._values > 1_000 or depth > _MAX_DEPTH:
                self.tell(name, "not read: the object is too large")
                continue
            path = section + snake(given)
            if type(value) is int and (rule := RULES.get(path)) is not None:
                self._meter(*rule, path, name, value)  # as nearly all are
            else:
                self._field(path, name, value, depth)

    def _field(self, path: str, name: str, value: Any, depth: int) -> None:
        if isinstance(value, (list, tuple)) and not hasattr(value, "_asdict"):
            self._list(path, name, value)
        elif (inner := fields_of(value)) is not None:
            self._object(path, name, value, inner, depth)
        elif (rule := RULES.get(path)) is not None:
            self._meter(*rule, path, name, value)
        elif path in COSTS:
            self._cost(path, name, value)
        elif path in TIMES or path.endswith(SPEEDS):
            self._time(path, name, value)
        elif path == "is_byok":
            self.is_own_key = value is True
        elif path in OF_NO_PRICE or path.startswith(OF_COSTS) or is_empty(value):
            pass
        elif path in ("requests", "successful_requests"):
            # pydantic-ai's and CrewAI's run: prices by the length of a prompt do not go by sums
            number = number_in(value)
            if number is None or not number.is_finite() or number != 1:
                self.tell(name, f"{quoted(value)}: the usage {_SUMMED}")
        elif (text := text_in(value)) is not None:
            self._text(path, name, text)
        else:
            self.tell(name, "not known")

    def _object(self, path: str, name: str, value: Any, inner: Mapping[str, Any], depth: int) -> None:
        section = SECTIONS.get(path)
        if path == "cost":
            self._costs(name, inner)
        elif path == "cost_details":
            self._upstream_cost(f"{name}.upstream_inference_cost", inner.get("upstream_inference_cost"))
        elif path.startswith(OF_COSTS) or path in PROVIDERS_OWN:
            pass  # the provider's own is read by itself
        elif section is not None:
            self.read(inner, section, f"{name}.", depth + 1)
        elif f"{path}." in CONTAINERS:
            self.read(inner, f"{path}.", f"{name}.", depth + 1)
        elif any(not is_empty(each) for each in inner.values()) or not (inner or is_empty(value)):
            self.tell(name, "not known")

    def _list(self, path: str, name: str, value: Sequence[Any]) -> None:
        items = [fields for item in value if (fields := fields_of(item)) is not None]
        if path in REPEATED:
            pass
        elif len(items) != len(value):
            self.tell(name, "not known")
        elif path in MODALITIES:
            self._modalities(path, name, items)
        elif path == "cache_details":  # Bedrock's cache writes by lifetime: {ttl, inputTokens}
            for item in items:
                lifetime, tokens = (
                    (text_in(item.get("ttl")), item.get("inputTokens", 0)) if "ttl" in item else (None, None)
                )
                meter = {"1h": "cache_write_1h_tokens", "5m": "cache_write_5m"}.get(lifetime or "")
                if meter is None:
                    self.tell(name, "not known")
                else:
                    self._add(meter, path, f"{name}.{lifetime}", tokens)
        elif path == "iterations":
            self._iterations(name, items)
        elif not is_empty(value):
            self.tell(name, "not known")

    def _modalities(self, path: str, name: str, items: list[Mapping[str, Any]]) -> None:
        audio, image = MODALITIES[path]
        if items:
            # A list names all that there was.
            self.added.setdefault(audio, 0)
            self.added.setdefault(image, 0)
        for item in items:
            by_name = {snake(str(each)): value for each, value in item.items()}
            modality = (text_in(by_name.get("modality")) or "text").lower()
            tokens = by_name.get("token_count")
            meter = {"audio": audio, "image": image}.get(modality)
            if meter is not None:
                self._add(meter, path, f"{name}.{modality}", tokens)
            elif modality not in AT_PRICE_OF_TEXT and not is_empty(tokens):
                self.tell(f"{name}.{modality}", "not known")

    def _iterations(self, name: str, items: list[Mapping[str, Any]]) -> None:
        """Anthropic's steps within one request. The counts outside are the sum of its messages; what the
        compaction of a context took is not among them (the SDK's BetaUsage.iterations says so)."""
        for item in items:
            kind = text_in(item.get("type"))
            if kind == "compaction":
                for meter, counted in (
                    ("prompt", "input_tokens"),
                    ("completion", "output_tokens"),
                    ("cached_tokens", "cache_read_input_tokens"),
                    ("cache_write_tokens", "cache_creation_input_tokens"),
                ):
                    self._add(meter, counted, f"{name}.compaction.{counted}", item.get(counted))
            elif kind not in ("message", "fallback_message"):
                self.tell(f"{name}.{quoted(kind) if kind is None else kind}"[:MAX_NAME], "not known")

    def _add(self, meter: str, path: str, name: str, value: Any) -> None:
        if value is not None and (count := self.count(name, value)) is not None:
            self.added[meter] = self.added.get(meter, 0) + count
            self.paths.setdefault(meter, path)
            self._names.setdefault(meter, name)

    def _meter(self, meter: str, rank: int, path: str, name: str, value: Any) -> None:
        if meter == "seconds":
            if not (isinstance(value, str) and is_empty(value)):
                self._seconds(name, value)
            return
        if type(value) is int and 0 <= value <= MAX_TOKENS and meter not in self._ranks:
            self.counts[meter], self.paths[meter] = value, path
            self._ranks[meter], self._names[meter] = rank, name
            return
        if value is False or (is_empty(value) and not isinstance(value, (int, float, Decimal))):
            return  # says nothing
        count = self.count(name, value)
        if count is None:
            return
        before = self._ranks.get(meter)
        if before is not None:
            other = self.counts[meter]
            # Two names of one meter, such as Cohere's tokens and those of them that it bills.
            if count == other:
                return
            wins = not other or (count != 0 and rank < before)
            loser, lost = (self._names[meter], other) if wins else (name, count)
            winner = name if wins else self._names[meter]
            if lost and not path.startswith(("tokens.", "details.")):
                self.tell(loser, f"{lost} is not the {count if wins else other} of {winner}: left out")
            if not wins:
                return
        self.counts[meter], self.paths[meter] = count, path
        self._ranks[meter], self._names[meter] = rank, name

    def count(self, name: str, value: Any) -> int | None:
        """The number of tokens; None where it cannot be one, which is told."""
        if isinstance(value, str) and (number := number_in(value)) is not None:
            try:
                count = checked_count(name, number)
            except InvalidInput:
                self.tell(name, f"{quoted(value)} cannot be: left out")
                return None
            self.tell(name, f"{quoted(value)} is a text: read as {count}")
            return count
        try:
            return checked_count(name, value)
        except InvalidInput:
            self.tell(name, f"{quoted(value)} cannot be: left out")
            return None

    def _seconds(self, name: str, value: Any) -> None:
        try:
            seconds = checked_amount(name, value, MAX_SECONDS)
        except InvalidInput:
            self.tell(name, f"{quoted(value)} cannot be: left out")
            return
        if isinstance(value, str):
            self.tell(name, f"{quoted(value)} is a text: read as {seconds}")
        if self.seconds is None or not self.seconds:
            self.seconds = seconds
        elif seconds and seconds != self.seconds:
            self.tell(name, f"{seconds} is not the {self.seconds} told before: left out")

    def _time(self, path: str, name: str, value: Any) -> None:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and abs(value) <= _LONGEST:  # false for NaN
            self.times[path] = value
        elif not is_empty(value):
            self.tell(name, f"{quoted(value)} cannot be: left out")

    def _cost(self, path: str, name: str, value: Any) -> None:
        """A cost that somebody states; as a number, or as Vercel's gateway sends it, as a text."""
        if isinstance(value, str) and is_empty(value):
            return
        try:
            number = number_in(value)
            if path == "cost_in_usd_ticks" and number is not None and number.is_finite():
                number /= _TICKS_PER_USD
            cost = checked_amount(name, value if number is None else number, MAX_COST_USD)
        except InvalidInput:
            self.tell(name, f"{quoted(value)} cannot be: left out")
            return
        if self.stated_cost_usd is None:
            self.stated_cost_usd = cost
        elif cost not in (0, self.stated_cost_usd):
            self.tell(name, f"{cost} is not the {self.stated_cost_usd} told before: left out")

    def _upstream_cost(self, name: str, value: Any) -> None:
        try:
            self.upstream_cost = None if value is None else checked_amount(name, value, MAX_COST_USD)
        except InvalidInput:
            self.tell(name, f"{quoted(value)} cannot be: left out")

    def _costs(self, name: str, parts: Mapping[str, Any]) -> None:
        """Perplexity's {"input_tokens_cost": ..., "total_cost": ..., "currency": "USD"}."""
        by_name = {snake(str(each)): value for each, value in parts.items()}
        currency = text_in(by_name.get("currency")) or "USD"
        total = next((by_name[each] for each in ("total_cost", "total") if each in by_name), None)
        if currency.upper() != "USD" or total is None:
            if by_name:
                self.tell(name, "not known" if total is None else f"in {currency[:20]}: left out")
        else:
            self._cost("cost", f"{name}.total_cost", total)

    def _text(self, path: str, name: str, text: str) -> None:
        if path in TIERS:
            # Vertex: ON_DEMAND, ON_DEMAND_FLEX, ON_DEMAND_PRIORITY, PROVISIONED_THROUGHPUT.
            tier = text.lower()
            if path == "traffic_type" and tier.startswith("on_demand_"):
                tier = tier.removeprefix("on_demand_")
            if tier != "traffic_type_unspecified":
                self.service_tier = tier[:MAX_NAME]
        elif path == "type" and text in ("tokens", "duration"):
            self.operation = "transcription"  # OpenAI's usage of no other call has a type
        elif path == "speed" and text.lower() == "fast":
            self.service_tier = "fast"  # has a price of its own, as a tier has
        elif path in ORDINARY:
            if text.lower() not in ORDINARY[path]:
                self.tell(name, f"{quoted(text)} is not known")
        elif path not in TEXTS_OF_NO_PRICE:
            self.tell(name, f"{quoted(text)} is not known" if path in RULES else "not known")
