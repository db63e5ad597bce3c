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
        (100, 100, "+0.0%"),
        (9_999, 10_000, "+0.0%"),
        (0, 100, "-100%"),
        (5_000, 1, "+499,900%"),
        (7, 0, None),
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


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ("5511987654321", "•••• 4321"),
        ("5511987654321@s.whatsapp.net", "•••• 4321"),
        ("123456", "••••"),
        ("1234567", "•••• 4567"),
        ("", None),
        (None, None),
    ],
)
def test_masked_phone(phone: str | None, expected: str | None) -> None:
    assert formatting.masked_phone(phone) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ana Souza", "Ana Souza"),
        ("order 20260318", "order 20260318"),
        ("5511987654321", "•••• 4321"),
        ("+55 11 98765-4321", "•••• 4321"),
        ("5511987654321@s.whatsapp.net", "•••• 4321"),
    ],
)
def test_masked_name(name: str, expected: str) -> None:
    assert formatting.masked_name(name) == expected


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
