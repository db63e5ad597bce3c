"""Why usage changed: parts that add up to the change, to the last digit, whatever the usage."""

from datetime import date
from decimal import Context, Decimal
from fractions import Fraction
from itertools import permutations
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from analytics.queries import UNKNOWN_COST, ComparedDays, Moved, Movers, Parts, what_moved

EXACT = Context(prec=200)
TOLERANCE = Fraction(1, 10**9)
"""Many rounded parts together: far below what is shown."""


def days(now: str = "7", before: str = "7", no_comparison: str | None = None) -> ComparedDays:
    return ComparedDays(
        first_date=date(2026, 3, 1),
        last_date=date(2026, 3, 7),
        until_at=None,
        day_count=Decimal(now),
        previous_day_count=Decimal(before),
        no_comparison=no_comparison,
    )


def row(
    model: str | None,
    now: tuple[int, int, str] = (0, 0, "0"),
    before: tuple[int, int, str] = (0, 0, "0"),
    *,
    source: str = "openai",
    unpriced: int = 0,
    before_unpriced: int = 0,
) -> dict[str, Any]:
    """A model with its calls, tokens and cost in two periods."""
    return {
        "source": source,
        "model": model,
        "request_count": now[0],
        "total_tokens": now[1],
        "total_cost": Decimal(now[2]),
        "unpriced_count": unpriced,
        "previous_request_count": before[0],
        "previous_total_tokens": before[1],
        "previous_total_cost": Decimal(before[2]),
        "previous_unpriced_count": before_unpriced,
    }


def explained(*rows: dict[str, Any], unit: Any = "cost", of: ComparedDays | None = None) -> Movers:
    return what_moved(pd.DataFrame(list(rows)), of or days(), unit)


def plain(parts: Parts | None) -> list[float]:
    assert parts is not None
    return [float(part) for part in parts]


def test_twice_the_calls_at_the_same_length_and_price_is_all_calls() -> None:
    [moved] = explained(row("gpt-4o", (200, 2000, "4"), (100, 1000, "2"))).models
    assert (moved.change, moved.parts) == (2, Parts(calls=Decimal(2)))


def test_each_reason_alone() -> None:
    before = (100, 1000, "2")
    for now, part in (
        ((150, 1500, "3"), "calls"),
        ((100, 1500, "3"), "length"),
        ((100, 1000, "3"), "price"),
    ):
        [moved] = explained(row("gpt-4o", now, before)).models
        assert moved.parts == Parts(**{part: Decimal(1)})


def test_another_mix_of_the_same_number_of_calls() -> None:
    """Half of the calls go to a model that costs ten times as much."""
    found = explained(
        row("small", (50, 500, "0.5"), (100, 1000, "1")), row("large", (50, 500, "5"), (0, 0, "0"))
    )
    assert found.total.change == Decimal("4.5")
    assert found.total.parts == Parts(mix=Decimal("4.5"))
    # Of each model it is its calls.
    assert {moved.model: moved.parts for moved in found.models} == {
        "large": Parts(calls=Decimal(5)),
        "small": Parts(calls=Decimal("-0.5")),
    }


def test_a_mix_of_providers_is_none_within_them() -> None:
    found = explained(
        row("a", (50, 500, "0.5"), (100, 1000, "1")),
        row("b", (100, 1000, "10"), (50, 500, "5"), source="groq"),
    )
    assert found.total.parts == Parts(mix=Decimal("4.5"))
    assert {moved.source: moved.parts for moved in found.providers} == {
        "openai": Parts(calls=Decimal("-0.5")),
        "groq": Parts(calls=Decimal(5)),
    }


def test_models_that_are_new_or_gone_are_calls() -> None:
    found = explained(row("new", (10, 70, "3")), row("gone", before=(7, 50, "2")))
    assert [(moved.model, moved.change, moved.parts) for moved in found.models] == [
        ("new", Decimal(3), Parts(calls=Decimal(3))),
        ("gone", Decimal(-2), Parts(calls=Decimal(-2))),
    ]
    assert found.total.change == 1


def test_audio_has_a_cost_per_call() -> None:
    [moved] = explained(row("whisper-1", (10, 0, "3"), (10, 0, "1"))).models
    assert moved.parts == Parts(price=Decimal(2))
    # Also where it is told in tokens from some day on.
    [moved] = explained(row("transcribe", (10, 500, "3"), (10, 0, "1"))).models
    assert moved.parts == Parts(price=Decimal(2))


def test_calls_without_tokens_that_cost_nothing_were_short() -> None:
    [moved] = explained(row("gpt-4o", (10, 500, "3"), (10, 0, "0"))).models
    assert moved.parts == Parts(length=Decimal(3))


def test_tokens_have_no_price() -> None:
    [moved] = explained(row("gpt-4o", (200, 3000, "9"), (100, 1000, "2")), unit="tokens").models
    assert moved.change == 2000
    assert plain(moved.parts) == [1250, 750, 0, 0]


def test_periods_of_other_lengths_compare_by_the_day() -> None:
    found = explained(row("gpt-4o", (310, 3100, "31"), (140, 1400, "14")), of=days("31", "28"))
    [moved] = found.models
    assert found.is_daily
    assert moved.change == Decimal("0.5")
    assert moved.parts == Parts(calls=Decimal("0.5"))


def test_a_cost_of_which_some_is_unknown_has_no_change_and_the_others_have_theirs() -> None:
    found = explained(
        row("gpt-4o", (200, 2000, "4"), (100, 1000, "2")),
        row("own", (9, 90, "1"), (9, 90, "1"), unpriced=1),
        row("own-2", (9, 90, "1"), (9, 90, "1"), before_unpriced=1, source="groq"),
    )
    assert [moved.change for moved in found.models] == [2, None, None]
    assert found.unknown_count == 2
    assert [moved.change for moved in found.providers] == [None, None]
    assert found.why_not(found.total) == UNKNOWN_COST
    assert (found.known.change, found.known.model_count) == (2, 1)
    assert explained(row("own", (9, 90, "0"), unpriced=9), unit="tokens").total.change == 90


def test_nothing_to_compare_with_is_no_change() -> None:
    found = explained(row("gpt-4o", (2, 20, "4")), of=days(no_comparison="there are no calls yet"))
    assert found.why_not(found.total) == "there are no calls yet"
    assert found.models[0].change is None
    assert found.unknown_count == 0


def test_three_hundred_models_are_twenty_and_the_rest() -> None:
    rows = [row(f"m{place}", (place, 10 * place, str(place)), (1, 10, "1")) for place in range(1, 301)]
    found = explained(*rows, row("own", (9, 90, "1"), unpriced=1))
    first, [rest, unknown] = found.folded(20)

    assert [moved.model for moved in first][:2] == ["m300", "m299"]
    assert (len(first), rest.model_count, unknown.model_count) == (20, 280, 1)
    assert unknown.change is None
    assert found.known.change == sum(moved.change or 0 for moved in (*first, rest))
    assert rest.parts is not None
    assert rest.change == sum(rest.parts)
    # One line more is no longer than the line that says so.
    assert found.folded(300) == (found.models, [])


CALLS = st.one_of(st.just(0), st.integers(1, 1_000_000))
TOKENS = st.one_of(st.just(0), st.integers(0, 10**12))
COST = st.one_of(st.just(0), st.integers(0, 10**7), st.integers(0, 10**29)).map(
    lambda n: Decimal(n).scaleb(-20)
)
USAGE = st.tuples(CALLS, TOKENS, COST, st.sampled_from([0, 0, 0, 1]))


def usage_of(model: int, source: str, now: Any, before: Any) -> dict[str, Any]:
    """A row; a period without calls has nothing, not even calls without a price."""
    found = row(f"m{model}", source=source)
    for prefix, (calls, tokens, cost, unpriced) in (("", now), ("previous_", before)):
        if calls:
            found |= {
                f"{prefix}request_count": calls,
                f"{prefix}total_tokens": tokens,
                f"{prefix}total_cost": cost,
                f"{prefix}unpriced_count": unpriced,
            }
    return found


USAGES = st.lists(st.tuples(st.sampled_from(["openai", "groq"]), USAGE, USAGE), min_size=1, max_size=5).map(
    lambda found: [usage_of(place, *each) for place, each in enumerate(found)]
)


def added(lines: Any) -> Decimal:
    total = Decimal(0)
    for line in lines:
        total = EXACT.add(total, line)
    return total


@given(USAGES, st.sampled_from(["cost", "tokens"]), st.sampled_from(["7", "6.5", "31"]), st.integers(1, 5))
def test_all_parts_add_up_in_all_directions(
    rows: list[dict[str, Any]], unit: Any, length: str, top: int
) -> None:
    found = explained(*rows, unit=unit, of=days(length))
    first, rest = found.folded(top)
    lines: list[Moved] = [*found.models, *found.providers, *rest, found.known, found.total]

    for line in lines:
        assert (line.change is None) == (line.parts is None)
        if line.change is not None and line.parts is not None:
            assert added(line.parts) == line.change
    for name in ("length", "price"):
        of_models = added(getattr(moved.parts, name) for moved in found.models if moved.parts)
        assert of_models == getattr(found.known.parts, name)
    known = [moved for moved in found.models if moved.change is not None]
    assert found.known.change == added(moved.change for moved in known)
    assert found.known.change == added(line.change for line in (*first, *rest) if line.change is not None)
    # The change itself, from the rows alone.
    if not found.is_daily:
        column = "total_cost" if unit == "cost" else "total_tokens"
        assert found.known.change == EXACT.subtract(
            added(moved.now.amount(unit) for moved in known),
            added(moved.before.amount(unit) for moved in known),
        )
        if len(known) == len(rows):
            assert found.total.change == EXACT.subtract(
                added(each[column] for each in rows), added(each[f"previous_{column}"] for each in rows)
            )
    assert sum(moved.model_count for moved in (*first, *rest)) == len(rows)
    assert [moved.model for moved in found.models] == [
        moved.model
        for moved in sorted(found.models, key=lambda each: (each.change is None, -abs(each.change or 0)))
    ]


@given(st.lists(st.integers(1, 1000), min_size=6, max_size=6))
def test_parts_are_the_mean_over_all_orders(numbers: list[int]) -> None:
    """Each factor changes in its turn; what the product changes then is the factor's."""
    calls, length, price = zip(numbers[:3], numbers[3:], strict=True)
    expected = [Fraction(0)] * 3
    for order in permutations(range(3)):
        factors = [calls[1], length[1], price[1]]
        for place in order:
            product = factors[0] * factors[1] * factors[2]
            factors[place] = (calls, length, price)[place][0]
            expected[place] += Fraction(factors[0] * factors[1] * factors[2] - product, 6)

    def usage(place: int) -> tuple[int, int, str]:
        tokens = calls[place] * length[place]
        return calls[place], tokens, str(tokens * price[place])

    [moved] = explained(row("m", usage(0), usage(1))).models
    assert moved.parts is not None
    for part, mean in zip(moved.parts, expected, strict=False):
        assert abs(Fraction(part) - mean) < TOLERANCE
