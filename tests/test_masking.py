"""The fast checks of masking never change its result."""

import json
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from analytics.database import Database
from tests.connections import dsn

# Its functions have the same rule without the fast checks.
FIRST_MAIN = Path(__file__).parent / "schema_of_first_main.sql"
PHONE = "5511987654321"

PIECES = st.sampled_from(
    [
        *(PHONE, "11", "98765", "4321", "1", "0", "0.", "1773835200", "1773835200000", "2026-03-18", "12:00"),
        *(
            " ",
            "-",
            "(",
            ")",
            ".",
            "+",
            "/",
            ",",
            ": ",
            ", ",
            "\u00a0",
            "\u200b",
            "\n",
            "\t",
            "\\",
            '"',
            '": ',
        ),
        *(
            "{",
            "}",
            "[",
            "]",
            "@s.whatsapp.net",
            "abc",
            "4bf92f3577b34da6",
            "é",
            "phone",
            "Tel",
            "wa_id",
            "x",
        ),
    ]
)
TEXTS = st.lists(PIECES, max_size=7).map("".join)
NUMBERS = st.one_of(
    st.sampled_from([int(PHONE), 1773835200, 1773835200000, 9876543, 9876543.0, 447000000000.0, 0.018393559]),
    st.integers(-(10**16), 10**16),
    st.floats(allow_nan=False, allow_infinity=False),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
# Phones of the call: none, one that looks like a moment, one that is too long, texts without a phone.
OWN = st.one_of(
    st.none(),
    st.sampled_from([PHONE, "+55 (11) 98765-4321", "9876543", "1773835200", "4321", "1" * 25, "abc", '": 0']),
    TEXTS,
)


def plain_rule() -> str:
    """masked_phone(), masked_text() and masked_metadata() as they were at first, as plain_*()."""
    schema = FIRST_MAIN.read_text(encoding="utf-8")
    start, end = (
        schema.index(f"create or replace function {name}(") for name in ("masked_phone", "shown_phone")
    )
    return re.sub(r"\bmasked_", "plain_", schema[start:end])


def nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


def test_the_fast_checks_give_the_same_as_the_plain_rule(database: Database) -> None:
    with psycopg.connect(dsn(database.url), autocommit=True) as connection:
        connection.execute(plain_rule())

        @settings(
            max_examples=600,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(VALUES, OWN, st.sampled_from([0, 0, 0, 0, 49, 50, 51]))
        @example({"5511987654": 0.5, "a": 1773835200}, "1773835200", 0)
        @example({"a": ": 119.87654321, x", "b": '": 119.87654321,'}, None, 0)
        @example({"a": "55 0.1234567890", "b": "(0.1234567890"}, None, 0)
        @example({"a": "55.11.987654321", "b ": 0.123456789012}, None, 0)
        @example({"wa": {"WA_ID": 7}, "[": 0.123456789, "": 0.123456789}, "123456789", 0)
        @example({"phone": 1773835200, "wa_id": {"x": 0.1234567891}}, None, 0)
        @example({"own": 9876543.0}, "9876543", 0)
        @example({"a": "5\n5\t11 98765-4321", "\\": PHONE}, None, 0)
        def check(value: Any, own: str | None, depth: int) -> None:
            text = json.dumps(nested(value, depth), ensure_ascii=False)
            row = connection.execute(
                "select masked_metadata(value, own)::text, plain_metadata(value, own)::text,"
                " masked_text(value::text, own), plain_text(value::text, own),"
                " shown_metadata(value, own) = value"
                " from (select %s::jsonb as value, %s::text as own) as given",
                [text, own],
            ).fetchone()
            assert row is not None
            assert row[0] == row[1]
            assert row[2] == row[3]
            assert row[4] is True  # whoever sees phones

        check()


@pytest.mark.parametrize(
    ("id_", "own", "shown"),
    [
        ("resp_68af4030592081938ec0aa11", None, "resp_68af4030592081938ec0aa11"),
        ("4030592081938ec04030592081938ec0", None, "4030592081938ec04030592081938ec0"),
        ("chatcmpl-Cx0qqaIbBUP6ye9YLnVFO4PR", None, "chatcmpl-Cx0qqaIbBUP6ye9YLnVFO4PR"),
        ("order 5511987654321", None, "order •••• 4321"),
        ("call_5511987654321-123456", None, "call_•••• 4321-123456"),
        ("5511987654321", None, "•••• 4321"),
        ("resp_68af4030592081938ec0aa11", "4030592081938", "resp_68af•••• 1938ec0aa11"),
        (None, None, None),
    ],
)
def test_ids_in_hexadecimal_are_no_phones(
    database: Database, id_: str | None, own: str | None, shown: str | None
) -> None:
    with database.transaction() as connection:
        connection.execute("set local app.phones = 'masked'")
        row = connection.execute("select shown_id(%s, %s)", [id_, own]).fetchone()
        assert row == (shown,)
        connection.execute("set local app.phones = 'whole'")
        assert connection.execute("select shown_id(%s, %s)", [id_, own]).fetchone() == (id_,)
