"""Why usage changed between two periods: more calls, longer calls, dearer calls, another mix of models. Pure.

What a model used is a product: calls x tokens per call x cost per token, or for tokens the first two. Its
change is divided among these by the Shapley value, the mean over all orders in which they may have changed
one after the other. For a product n l p that is

    calls   (n1 - n0) (2 l0 p0 + l0 p1 + l1 p0 + 2 l1 p1) / 6

and the same for the two others; the parts add up to n1 l1 p1 - n0 l0 p0. (L. S. Shapley, A Value for n-Person
Games, 1953. For changes of products: J. W. Sun, A complete decomposition model, Energy Economics 20, 1998;
J. Albrecht, D. Francois, K. Schoors, A Shapley decomposition without residuals, Energy Policy 30, 2002.)

The calls of a model are all calls N of a group times its share s of them, so their change is divided again,
with m for what a call of the model weighs above:

    more calls  (N1 - N0) (s0 + s1) / 2 m        other mix  (N0 + N1) / 2 (s1 - s0) m

summed over the models of the group (G. Owen, Values of Games with a Priori Unions, 1977). So the calls of the
models are the more calls and the other mix of their group, and everything else adds up as well.

- A model that is new or gone has no length and no price in one period: all of its change is calls.
- Where tokens do not tell a cost (audio by the minute, pictures), there is a cost per call and no length.
- Calculated with 80 digits. Parts are then rounded, and what that leaves goes to the largest part.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from analytics.queries.comparisons import UNKNOWN_COST, ComparedDays
from analytics.queries.sql_function import Unit

if TYPE_CHECKING:
    import pandas as pd

_STEP = Decimal("1e-12")
"""What parts are rounded to, and changes of daily means: far below what anybody can pay."""
# Sums have more digits than Decimal keeps by default.
_EXACT = Context(prec=80)

Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True)
class Sums:
    """The usage of a model, or of several, in a period."""

    request_count: int = 0
    total_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced_count: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            request_count=self.request_count + other.request_count,
            total_tokens=self.total_tokens + other.total_tokens,
            cost_usd=_EXACT.add(self.cost_usd, other.cost_usd),
            unpriced_count=self.unpriced_count + other.unpriced_count,
        )

    @property
    def usd_per_1k_tokens(self) -> Decimal | None:
        """None where some cost is not known, or there are no tokens."""
        if self.unpriced_count or not self.total_tokens:
            return None
        return self.cost_usd * 1000 / self.total_tokens

    @property
    def tokens_per_request(self) -> Decimal | None:
        return Decimal(self.total_tokens) / self.request_count if self.request_count else None

    def amount(self, unit: Unit) -> Decimal:
        """Tokens, or US dollars."""
        return self.cost_usd if unit == "cost" else Decimal(self.total_tokens)


class Parts(NamedTuple):
    """What a change is made of, in its unit. They add up to it."""

    calls: Decimal = Decimal(0)
    """More calls; of a single model all that its calls changed."""
    length: Decimal = Decimal(0)
    """Longer calls: more tokens per call."""
    price: Decimal = Decimal(0)
    """Dearer calls: a higher cost per token, or per call where tokens do not tell it. 0 for tokens."""
    mix: Decimal = Decimal(0)
    """Another mix: calls went from models whose calls are small to those whose calls are large."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A model, or several, in two periods."""

    source: str | None
    """None: of several sources."""
    model: str | None
    now: Sums
    before: Sums
    model_count: int = 1
    models: "Sequence[Moved]" = ()
    """Of several: which."""
    change: Decimal | None = None
    """In US dollars or tokens, of the daily mean where Movers.is_daily; None where it is withheld."""
    parts: Parts | None = None
    """None where the change is."""
    weight_of_a_call: Decimal = Decimal(0)
    """What a call of a model more or less comes to; 0 where the change is withheld, and of several."""


@dataclass(frozen=True, kw_only=True)
class Movers:
    """Two periods, and what changed."""

    unit: Unit
    day_count: Decimal
    before_day_count: Decimal
    no_comparison: str | None
    """Why nothing compares; None where it does."""
    models: Sequence[Moved]
    """The largest change first, up or down; then those without one, the most used first."""
    providers: Sequence[Moved]
    """In the same order."""
    known: Moved
    """All models with a change."""
    total: Moved
    """All models. Its change is withheld where that of one is."""

    @property
    def is_daily(self) -> bool:
        """Whether changes are of daily means, as one period is longer."""
        return self.day_count != self.before_day_count

    @property
    def unknown_count(self) -> int:
        """How many models have no change because the cost of some of their calls is not known."""
        if self.no_comparison is not None:
            return 0
        return sum(moved.change is None for moved in self.models)

    def per_day(self, number: Decimal | int, *, is_before: bool = False) -> Decimal:
        """A sum as changes compare it: as it is, or its daily mean."""
        if not self.is_daily:
            return Decimal(number)
        return Decimal(number) / (self.before_day_count if is_before else self.day_count)

    def why_not(self, moved: Moved) -> str:
        """Why a line has no change; empty where it has one."""
        return "" if moved.change is not None else self.no_comparison or UNKNOWN_COST

    def folded(self, top: int) -> tuple[Sequence[Moved], Sequence[Moved]]:
        """The first `top` models, and the lines that sum up all others: those with a change, and without."""
        first, others = self.models[:top], self.models[top:]
        if len(others) == 1:
            return [*first, *others], []
        groups = _grouped(others, lambda moved: moved.change is None)
        with localcontext(_EXACT):
            return first, [
                group[0] if len(group) == 1 else self._together(group) for _, group in sorted(groups.items())
            ]

    def _together(self, models: Sequence[Moved]) -> Moved:
        """Several models as one line."""
        sources = {moved.source for moved in models}
        now = sum((moved.now for moved in models), Sums())
        before = sum((moved.before for moved in models), Sums())
        change, parts = None, None
        if models and all(moved.change is not None for moved in models):
            change = _sum(moved.change for moved in models)
            parts = self._parts_of_group(models, now, before)
        elif not models and self.no_comparison is None:
            change, parts = Decimal(0), Parts()
        return Moved(
            source=sources.pop() if len(sources) == 1 else None,
            model=None,
            now=now,
            before=before,
            model_count=len(models),
            models=models,
            change=change,
            parts=parts,
        )

    def _parts_of_group(self, models: Sequence[Moved], now: Sums, before: Sums) -> Parts:
        calls = _sum(moved.parts.calls for moved in models if moved.parts)
        all_now, all_before = (
            self.per_day(now.request_count),
            self.per_day(before.request_count, is_before=True),
        )
        mix = Decimal(0)
        # Without calls in one of them there is no mix of them; and one model has none.
        if all_now and all_before and len(models) > 1:
            mean_calls = (all_now + all_before) / 2
            shifted = Decimal(0)
            for moved in models:
                share_now = self.per_day(moved.now.request_count) / all_now
                share_before = self.per_day(moved.before.request_count, is_before=True) / all_before
                shifted += mean_calls * (share_now - share_before) * moved.weight_of_a_call
            mix = _rounded(shifted)
        return Parts(
            calls=calls - mix,
            length=_sum(moved.parts.length for moved in models if moved.parts),
            price=_sum(moved.parts.price for moved in models if moved.parts),
            mix=mix,
        )


def what_moved(models: "pd.DataFrame", days: ComparedDays, unit: Unit) -> Movers:
    """What changed of Comparison.models, and why.

    Changes of costs are withheld for models of which a call has no price in either period.
    """
    empty = Movers(
        unit=unit,
        day_count=days.day_count,
        before_day_count=days.previous_day_count,
        no_comparison=days.no_comparison,
        models=[],
        providers=[],
        known=Moved(source=None, model=None, now=Sums(), before=Sums()),
        total=Moved(source=None, model=None, now=Sums(), before=Sums()),
    )
    with localcontext(_EXACT):
        return _explained(empty, models.to_dict("records"))


def _explained(empty: Movers, rows: Iterable[dict[Any, Any]]) -> Movers:
    moved = [_moved(empty, row) for row in rows]
    known = [each for each in moved if each.change is not None]
    by_source = _grouped(moved, lambda each: each.source)
    return replace(
        empty,
        models=_largest_first(moved, empty.unit),
        providers=_largest_first(map(empty._together, by_source.values()), empty.unit),
        known=empty._together(known),
        total=empty._together(moved),
    )


class _Factors(NamedTuple):
    """What the usage of a model is the product of, now and before."""

    calls: tuple[Decimal, Decimal]
    length: tuple[Decimal, Decimal]
    price: tuple[Decimal, Decimal]

    @property
    def parts(self) -> tuple[Decimal, Decimal, Decimal]:
        """The Shapley value of each."""
        return (
            _shapley(self.calls, self.length, self.price),
            _shapley(self.length, self.calls, self.price),
            _shapley(self.price, self.calls, self.length),
        )

    @property
    def weight_of_a_call(self) -> Decimal:
        """What a call more or less comes to."""
        return _shapley((Decimal(1), Decimal(0)), self.length, self.price)


def _shapley(
    own: tuple[Decimal, Decimal], other: tuple[Decimal, Decimal], third: tuple[Decimal, Decimal]
) -> Decimal:
    change = own[0] - own[1]
    if not change:
        return change
    (b1, b0), (c1, c0) = other, third
    return change * (2 * b0 * c0 + b0 * c1 + b1 * c0 + 2 * b1 * c1) / 6


def _factors(movers: Movers, moved: Moved) -> _Factors:
    calls = (
        movers.per_day(moved.now.request_count),
        movers.per_day(moved.before.request_count, is_before=True),
    )
    counts = moved.now.request_count, moved.before.request_count
    tokens = moved.now.total_tokens, moved.before.total_tokens
    one = (Decimal(1), Decimal(1))
    if movers.unit == "tokens":
        return _Factors(calls, _ratios(tokens, counts), one)
    costs = moved.now.cost_usd, moved.before.cost_usd
    if any(cost and not of for cost, of in zip(costs, tokens, strict=True)):
        return _Factors(calls, one, _ratios(costs, counts))
    return _Factors(calls, _ratios(tokens, counts), _ratios(costs, tokens))


def _ratios(amounts: tuple[Decimal | int, Decimal | int], of: tuple[int, int]) -> tuple[Decimal, Decimal]:
    """The ratio in each period; that of the other one where it has none."""
    found = [Decimal(amount) / count if count else None for amount, count in zip(amounts, of, strict=True)]
    now, before = found
    known = now if now is not None else before if before is not None else Decimal(0)
    return (known if now is None else now, known if before is None else before)


def _moved(movers: Movers, row: dict[Any, Any]) -> Moved:
    moved = Moved(
        source=row["source"], model=row["model"], now=sums_of(row, ""), before=sums_of(row, "previous_")
    )
    if movers.no_comparison is not None:
        return moved
    if movers.unit == "cost" and (moved.now.unpriced_count or moved.before.unpriced_count):
        return moved
    now, before = moved.now.amount(movers.unit), moved.before.amount(movers.unit)
    if movers.is_daily:
        change = _rounded(movers.per_day(now) - movers.per_day(before, is_before=True))
    else:
        change = now - before
    factors = _factors(movers, moved)
    calls, length, price = map(_rounded, factors.parts)
    parts = Parts(calls=calls, length=length, price=price)
    largest = max(range(3), key=lambda place: abs(parts[place]))
    left = change - _sum(parts)
    mended = [part + left if place == largest else part for place, part in enumerate(parts)]
    return Moved(
        source=moved.source,
        model=moved.model,
        now=moved.now,
        before=moved.before,
        change=change,
        parts=Parts(*mended),
        weight_of_a_call=factors.weight_of_a_call,
    )


def sums_of(row: Mapping[Any, Any], prefix: str) -> Sums:
    """The sums of a row whose columns begin with this prefix."""
    return Sums(
        request_count=int(row[f"{prefix}request_count"]),
        total_tokens=int(row[f"{prefix}total_tokens"]),
        cost_usd=row[f"{prefix}total_cost"],
        unpriced_count=int(row[f"{prefix}unpriced_count"]),
    )


def _largest_first(lines: Iterable[Moved], unit: Unit) -> list[Moved]:
    return sorted(
        lines,
        key=lambda moved: (
            moved.change is None,
            -abs(moved.change or Decimal(0)),
            -moved.now.amount(unit),
            -moved.before.amount(unit),
            moved.source or "",
            moved.model or "",
        ),
    )


def _grouped(lines: Iterable[Moved], key: Callable[[Moved], Key]) -> dict[Key, list[Moved]]:
    groups: dict[Key, list[Moved]] = {}
    for line in lines:
        groups.setdefault(key(line), []).append(line)
    return groups


def _sum(numbers: Iterable[Decimal | None]) -> Decimal:
    return sum((number or Decimal(0) for number in numbers), Decimal(0))


def _rounded(value: Decimal) -> Decimal:
    """To _STEP, halves to even."""
    return value.quantize(_STEP)
