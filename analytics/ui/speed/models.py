"""What is measured of each provider and model: sums of its calls, with what they come to. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from analytics.queries import Answers
from analytics.queries.filters import YES

OUTCOMES = {"Answered": "ok", "Failed": "error", "Refused": "refused", "Cut off": "cut", "Not told": None}
FAILURES = ("error", "refused", "cut")
"""Outcomes of attempts that led to nothing."""
LED_TO_NOTHING = {"outcome": ",".join(FAILURES)}
RETRIED = {"has.retry": YES}
"""Parameters of filters that leave these calls."""
_SUMS = (
    *("request_count", "unpriced_count", "cached_tokens", "cache_write_tokens", "latency_ms", "timed_count"),
    *("timed_completion_tokens", "first_token_count", "retry_count", "reported_cache_prompt_tokens"),
)


@dataclass(kw_only=True)
class Measured:
    """The calls of a model, of a provider (without a model), or of all (without either)."""

    kind: str
    """`model`, `provider` or `all`."""
    source: str | None = None
    model: str | None = None
    request_count: int = 0
    unpriced_count: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    latency_ms: int = 0
    timed_count: int = 0
    timed_completion_tokens: int = 0
    first_token_count: int = 0
    retry_count: int = 0
    reported_cache_prompt_tokens: int = 0
    retry_cost_usd: Decimal = Decimal(0)
    by_outcome: dict[str | None, int] = field(default_factory=dict)
    failed_cost_usd: Decimal = Decimal(0)
    failed_unpriced_count: int = 0
    percentiles: dict[str, Decimal | None] = field(default_factory=dict)
    """p50_ms, first_token_p50_ms and so on; empty where nothing is measured."""

    def add(self, row: dict[Any, Any]) -> None:
        """A row of queries.answers.ANSWERS."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + int(row[name]))
        self.retry_cost_usd += row["retry_cost_usd"] or Decimal(0)
        outcome = row["outcome"]
        self.by_outcome[outcome] = self.by_outcome.get(outcome, 0) + int(row["request_count"])
        if outcome in FAILURES:
            self.failed_cost_usd += row["cost_usd"]
            self.failed_unpriced_count += int(row["unpriced_count"])

    @property
    def answered_count(self) -> int:
        """Calls that did not fail, of which a latency would be measured."""
        return self.request_count - self.by_outcome.get("error", 0)

    @property
    def told_count(self) -> int:
        """Calls that say how they ended."""
        return self.request_count - self.by_outcome.get(None, 0)

    @property
    def failed_count(self) -> int:
        return sum(self.by_outcome.get(outcome, 0) for outcome in FAILURES)

    @property
    def tokens_per_second(self) -> Decimal | None:
        """Completion tokens by the seconds until the whole answer; None where nothing is measured."""
        if not self.latency_ms or not self.timed_completion_tokens:
            return None
        return Decimal(self.timed_completion_tokens) * 1000 / self.latency_ms


def measured(answers: Answers) -> tuple[Measured, Sequence[Measured], Sequence[Measured]]:
    """All calls, those of each provider, and those of each model, the most calls first."""
    everything = Measured(kind="all")
    providers: dict[str, Measured] = {}
    models: dict[tuple[str, str | None], Measured] = {}
    for row in answers.facts.to_dict("records"):
        source, model = row["source"], row["model"]
        of_provider = providers.setdefault(source, Measured(kind="provider", source=source))
        of_model = models.setdefault((source, model), Measured(kind="model", source=source, model=model))
        for each in (everything, of_provider, of_model):
            each.add(row)
    for row in answers.times.to_dict("records"):
        found = {
            "all": everything,
            "provider": providers.get(row["source"]),
            "model": models.get((row["source"], row["model"])),
        }[row["kind"]]
        if found is not None:
            found.percentiles = {str(name): row[name] for name in row if str(name).endswith("_ms")}
    return everything, _most_first(providers.values()), _most_first(models.values())


def _most_first(each: Any) -> list[Measured]:
    return sorted(each, key=lambda line: (-line.request_count, line.source or "", line.model or ""))
