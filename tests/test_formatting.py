"""Numbers as people read them, on the edges of their units."""

from datetime import timedelta
from decimal import Decimal

import pytest

from analytics import formatting
from tests.factories import NOW


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("0", "$0.00"),
        ("0.0093", "$0.0093"),
        ("0.00000042", "$0.00000042"),
        ("0.0123", "$0.012"),
        ("0.25", "$0.25"),
        ("0.994", "$0.99"),
        ("0.995", "$1.00"),
        ("12.345", "$12.34"),
        ("12.355", "$12.36"),
        ("1234567.891", "$1,234,567.89"),
        ("-0.5", "\N{MINUS SIGN}$0.50"),
    ],
)
def test_usd(amount: str, expected: str) -> None:
    assert formatting.usd(Decimal(amount)) == expected


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("0", "$0.00"),
        ("0.000000001", "$0.0000000010"),
        ("9999.99", "$9,999.99"),
        ("9999.994", "$9,999.99"),
        ("9999.995", "$10.0K"),
        ("233333.33", "$233K"),
        ("1000000000", "$1.00B"),
        ("-12345", "\N{MINUS SIGN}$12.3K"),
    ],
)
def test_compact_usd(amount: str, expected: str) -> None:
    assert formatting.compact_usd(Decimal(amount)) == expected


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("0", "0"),
        ("100.00", "100"),
        ("1234.0042000", "1,234.0042"),
        ("0.000000001", "0.000000001"),
        ("1E+9", "1,000,000,000"),
        ("12345678901234567890123456.0123456789", "12,345,678,901,234,567,890,123,456.0123456789"),
    ],
)
def test_exact_usd_keeps_every_digit(amount: str, expected: str) -> None:
    assert formatting.exact_usd(Decimal(amount)) == f"{expected}{formatting.NO_BREAK_SPACE}USD"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.00K"),
        (9_994, "9.99K"),
        (9_995, "10.0K"),
        (99_949, "99.9K"),
        (99_950, "100K"),
        (999_499, "999K"),
        (999_500, "1.00M"),
        (2_500_000_000, "2.50B"),
        (999_500_000_000, "1.00T"),
    ],
)
def test_compact(number: int, expected: str) -> None:
    assert formatting.compact(number) == expected


@pytest.mark.parametrize(
    ("current", "previous", "expected"),
    [
        (110, 100, "+10.0%"),
        (50, 100, "-50.0%"),
        (100, 100, "0%"),
        (0, 100, "-100%"),
        # What is there is told: the least change, and the least that is left.
        (9_999, 10_000, "-<0.1%"),
        (100_040, 100_000, "+<0.1%"),
        (100_050, 100_000, "+<0.1%"),
        (100_051, 100_000, "+0.1%"),
        (2, 10_000, "-99.9%"),
        (Decimal("1e-12"), 1, "-99.9%"),
        (6, 10_000, "-99.9%"),
        (200, 100, "+100%"),
        (1_099, 100, "+999%"),
        (1_100, 100, "11.0\N{MULTIPLICATION SIGN}"),
        (836, 100, "+736%"),
        (5_000, 1, "5.00K\N{MULTIPLICATION SIGN}"),
        (7, 0, None),
        (0, 0, None),
        (Decimal("1.5"), Decimal("1.2"), "+25.0%"),
    ],
)
def test_change(current: int, previous: int, expected: str | None) -> None:
    assert formatting.change(current, previous) == expected


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (0, 100, "0.0%"),
        (1, 1_000_000, "<0.1%"),
        (999_999, 1_000_000, ">99.9%"),
        (1, 1, "100.0%"),
        (1, 3, "33.3%"),
        (0, 0, "\N{EM DASH}"),
    ],
)
def test_share_never_hides_what_is_there(part: int, whole: int, expected: str) -> None:
    assert formatting.share(part, whole) == expected


@pytest.mark.parametrize(
    ("unpriced", "requests", "expected"),
    [
        (0, 5, "$1.50"),
        (2, 5, "\N{GREATER-THAN OR EQUAL TO}\N{NO-BREAK SPACE}$1.50"),
        (5, 5, "cost unknown"),
        (0, 0, "$1.50"),
    ],
)
def test_cost_tells_what_is_unknown(unpriced: int, requests: int, expected: str) -> None:
    assert formatting.cost(Decimal("1.5"), unpriced, requests) == expected


def test_cost_is_as_compact_as_its_place_wants() -> None:
    shown = formatting.cost(Decimal(12_345), 1, 5, formatting.compact_usd)
    assert shown == f"\N{GREATER-THAN OR EQUAL TO}{formatting.NO_BREAK_SPACE}$12.3K"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-5, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (3_600, "1 h ago"), (172_800, "2 days ago")],
)
def test_age(seconds: int, expected: str) -> None:
    age = formatting.age(NOW - timedelta(seconds=seconds), NOW)
    assert age.replace(formatting.NO_BREAK_SPACE, " ") == expected


def test_plural() -> None:
    space = formatting.NO_BREAK_SPACE
    assert formatting.plural(1, "request") == f"1{space}request"
    assert formatting.plural(2_345, "request") == f"2,345{space}requests"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [("0", "0 ms"), ("3.4", "3 ms"), ("42", "42 ms"), ("840.4", "840 ms"),
     ("999.4", "999 ms"), ("999.5", "1.00 s"), ("1240", "1.24 s"), ("75000", "75.0 s"),
     ("3600000", "3,600 s")],
)  # fmt: skip
def test_seconds_have_three_digits(milliseconds: str, text: str) -> None:
    assert formatting.duration(Decimal(milliseconds)).replace("\N{NO-BREAK SPACE}", " ") == text
