"""An installation of the guide's original is adopted: no row lost, none changed in meaning."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from analytics.database import Database
from analytics.migrations import apply_migrations
from tests import legacy
from tests.factories import NOW
from tests.legacy import ACME, CONVERSATION, OLD, OTHERS_CONVERSATION, insert, row_of
from tests.naive import Usage, wrong_sums
from tests.test_migrations import FILES_AND_ADOPTION

NO_CLIENT = UUID(int=0)


def test_a_row_keeps_every_value(installation: "psycopg.Connection[Any]", empty_database: Database) -> None:
    values = {
        **{"client_id": ACME, "conversation_id": CONVERSATION, "phone": "551", "source": "openai"},
        **{"model": "gpt-4", "prompt_tokens": 150, "completion_tokens": 80, "total_tokens": 231},
        **{"cost_usd": Decimal("0.012900"), "messages_sent": 3, "metadata": {"a": [1]}, "created_at": OLD},
    }
    log_id = insert(installation, **{**values, "metadata": Jsonb(values["metadata"])})

    apply_migrations(empty_database)

    assert row_of(installation, log_id, ", ".join(values)) == tuple(values.values())
    assert row_of(installation, log_id, "cost_basis") == ("given",)
    assert wrong_sums(installation) == []


@pytest.mark.parametrize(
    ("column", "before", "after"),
    [
        ("client_id", None, NO_CLIENT),
        ("conversation_id", None, None),
        ("conversation_id", OTHERS_CONVERSATION, OTHERS_CONVERSATION),
        ("source", "meta", "meta"),
        ("model", None, None),
        ("prompt_tokens", None, 0),
        ("completion_tokens", None, 0),
        ("total_tokens", None, 0),
        ("total_tokens", 2**31 - 1, 2**31 - 1),
        ("total_tokens", -5, -5),
        ("prompt_tokens", -(2**31), -(2**31)),
        ("cost_usd", None, Decimal(0)),
        ("cost_usd", Decimal("-9999.999999"), Decimal("-9999.999999")),
        ("cost_usd", Decimal("0.000001"), Decimal("0.000001")),
        ("messages_sent", None, None),
        ("metadata", None, None),
        ("created_at", OLD, OLD),
    ],
)
def test_an_awkward_value_is_kept_or_given_its_default(
    installation: "psycopg.Connection[Any]", empty_database: Database, column: str, before: Any, after: Any
) -> None:
    insert(installation, client_id=ACME, total_tokens=10)
    log_id = insert(installation, **{"client_id": ACME, column: before})

    apply_migrations(empty_database)

    assert row_of(installation, log_id, column) == (after,)
    assert installation.execute("select count(*) from usage_logs").fetchone() == (2,)
    assert wrong_sums(installation) == []


def test_an_unknown_cost_is_unpriced_and_an_unknown_time_is_the_migrations(
    installation: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    log_id = insert(installation, client_id=ACME, cost_usd=None, created_at=None)

    apply_migrations(empty_database)

    assert row_of(
        installation, log_id, "cost_basis, created_at between %s and now()".replace("%s", "'2020-1-1'")
    ) == (
        "unpriced",
        True,
    )


@pytest.mark.parametrize("moment", ["infinity", "-infinity"])
def test_a_row_made_at_infinity_harms_no_function(
    installation: "psycopg.Connection[Any]", empty_database: Database, moment: str
) -> None:
    for created_at in (moment, NOW):
        insert(
            installation, client_id=ACME, conversation_id=CONVERSATION, total_tokens=5, created_at=created_at
        )

    apply_migrations(empty_database)

    assert wrong_sums(installation) == []
    for function in ("get_usage_by_conversation", "get_usage_by_model"):
        answer = installation.execute(
            f"select total_tokens from {function}(%s, 30, p_now => %s)",  # noqa: S608
            [ACME, NOW],
        )
        assert answer.fetchall() == [(5,)]


def test_functions_are_right_over_negative_rows(
    installation: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    # Lifetimes that are less than a period's tokens: what a bound would wrongly leave out.
    for phone, tokens, moment in (("a", 100, NOW), ("a", -99, OLD), ("b", 5, NOW), ("c", -7, NOW)):
        insert(installation, client_id=ACME, phone=phone, total_tokens=tokens, created_at=moment)

    apply_migrations(empty_database)

    answer = installation.execute(
        "select phone, total_tokens from get_usage_by_conversation(%s, 30, 1, %s)", [ACME, NOW]
    ).fetchall()
    assert answer == [("a", 100)]
    assert [row[1:4:2] for row in Usage(installation, ACME, NOW).by_conversation(30, 1)] == answer


def test_calls_without_a_client_are_under_a_client_of_their_own(
    installation: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    insert(installation, client_id=None, total_tokens=7)
    insert(installation, client_id=ACME, total_tokens=5)

    apply_migrations(empty_database)

    assert installation.execute("select client_id, total_tokens from usage_daily order by 2").fetchall() == [
        (ACME, 5),
        (NO_CLIENT, 7),
    ]
    assert installation.execute("select name from clients where id = unassigned_client_id()").fetchone() == (
        "Calls without a client",
    )


def test_the_original_application_writes_as_before(
    installation: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    values = [ACME, CONVERSATION, "551", "openai", "gpt-4", 1, 2, 3, Decimal("0.5"), Jsonb({})]
    installation.execute(legacy.INSERT, values, prepare=True)

    apply_migrations(empty_database)
    installation.execute(legacy.INSERT, values, prepare=True)
    installation.execute(legacy.INSERT, [None, None, *values[2:]], prepare=True)
    installation.execute(legacy.INSERT, [*values[:5], None, None, None, None, None], prepare=True)

    assert installation.execute(
        "select client_id, total_tokens, cost_basis from usage_logs order by 1, 2, 3"
    ).fetchall() == [(NO_CLIENT, 3, "given"), (ACME, 0, "unpriced"), (ACME, 3, "given"), (ACME, 3, "given")]
    assert wrong_sums(installation) == []


def test_limits_that_made_inserts_fail_are_gone(
    installation: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    apply_migrations(empty_database)

    log_id = insert(
        installation,
        client_id=ACME,
        source="Anthropic",
        phone=None,
        total_tokens=2**39,
        cost_usd=Decimal("1e-10"),
    )

    assert row_of(installation, log_id, "source, phone, total_tokens, cost_usd") == (
        "anthropic",
        None,
        2**39,
        Decimal("1e-10"),
    )


def test_an_installation_without_rows_is_adopted_too(
    installation: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    assert apply_migrations(empty_database) == FILES_AND_ADOPTION

    insert(installation, client_id=ACME, total_tokens=5)
    assert wrong_sums(installation) == []


def test_progress_and_what_was_kept_against_the_rules_are_told(
    installation: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    insert(installation, client_id=ACME, total_tokens=-5)
    told: list[str] = []

    apply_migrations(empty_database, told.append)

    assert "adopting usage_logs: copied 1 rows, adding up" in told
    assert (
        "adopting usage_logs: rows that break usage_logs_tokens_are_not_negative are kept as they are" in told
    )
