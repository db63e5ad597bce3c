"""`python -m analytics budgets`, as a person meets it."""

import json
from datetime import UTC, datetime

import pytest

from analytics.database import Database
from tests import factories
from tests.test_cli import run


def test_a_budget_from_its_making_to_its_end(database: Database) -> None:
    acme = factories.client(database, timezone="America/Sao_Paulo")
    factories.insert_usage(
        database,
        factories.usage_log(acme, cost_usd=450, model="gpt-4", created_at=datetime.now(UTC)),
        factories.usage_log(acme, cost_usd=7, model="o1", created_at=datetime.now(UTC)),
    )
    whose = ("--client", "Acme", "--by", "ada")

    made = run(database, "budgets", "set", "Support", *whose, "--limit", "$500", "--where", "model=gpt-4")
    listed = run(database, "budgets", "list")
    allowed = run(database, "budgets", "check", "--client", "Acme", "--model", "gpt-4")
    changed = run(database, "budgets", "set", "support", *whose, "--limit", "400", "--threshold", "90")
    again = run(database, "budgets", "set", "Support", *whose, "--limit", "400.00")
    refused = run(database, "budgets", "check", "--client", "Acme", "--model", "gpt-4")
    another = run(database, "budgets", "check", "--client", "Acme", "--model", "o1", "--json")
    history = run(database, "budgets", "history", "Support", "--client", "Acme")
    archived = run(database, "budgets", "archive", "Support", *whose)
    none = run(database, "budgets", "list", "--client", "Acme")

    assert made.output == 'budget "Support" is made\n'
    assert listed.output.startswith("Acme  Support  $450.00 of $500.00 a month (90.0%), $50.00 left, resets ")
    assert listed.output.endswith(" 00:00 America/Sao_Paulo\n")
    assert allowed.output == 'allowed: "Support": $450.00 of $500.00 spent\n'
    assert changed.output == 'budget "support" is changed\n'
    assert again.output == 'budget "Support" is so already: nothing was changed\n'
    assert refused.exit_code == 3
    assert refused.output.startswith('refused: "Support" is used up: $450.00 of $400.00 spent; it resets ')
    assert json.loads(another.output)["is_allowed"]
    newest, oldest, *periods = history.output.splitlines()
    assert newest.endswith(": $400.00 a month, model=gpt-4, told at 90%, by ada")
    assert oldest.endswith(": $500.00 a month, model=gpt-4, told at 50%, 80%, 100%, by ada")
    assert periods == []
    assert archived.output == 'budget "Support" is archived\n'
    assert none.output.startswith("no budgets yet: python -m analytics budgets set ")


def test_what_is_left_out_stays_and_an_empty_text_takes_back(database: Database) -> None:
    factories.client(database)
    whose = ("--client", "Acme", "--by", "ada")
    run(database, "budgets", "set", "All", *whose, "--limit", "9", "--split-by", "user", "--where", "model=a",
        "--period", "week", "--start-day", "sun", "--time-zone", "Asia/Kolkata")  # fmt: skip

    run(database, "budgets", "set", "All", *whose, "--where", "", "--split-by", "", "--repeats")
    run(database, "budgets", "set", "All", *whose, "--period", "day", "--rename", "Daily")

    [told] = json.loads(run(database, "budgets", "list", "--client", "Acme", "--json").output)
    [budget] = told["budgets"]
    assert {name: budget[name] for name in ("name", "limit_amount", "period", "start_day", "time_zone")} == {
        "name": "Daily", "limit_amount": 9, "period": "day", "start_day": 1, "time_zone": "Asia/Kolkata",
    }  # fmt: skip
    assert (budget["filters"], budget["split_by"], budget["repeats"]) == ([], None, True)


def test_a_budget_of_all_clients(database: Database) -> None:
    for name in ("Acme", "Other"):
        client_id = factories.client(database, name)
        factories.insert_usage(
            database, factories.usage_log(client_id, total_tokens=60, created_at=datetime.now(UTC))
        )

    run(database, "budgets", "set", "Both", "--all-clients", "--limit", "200", "--unit", "tokens",
        "--time-zone", "UTC", "--by", "ada")  # fmt: skip

    assert run(database, "budgets", "list").output.startswith(
        "all clients together  Both  120 tokens of 200 tokens a month (60.0%), 80 tokens left, resets "
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("set", "New", "--limit", "5"), "give --client NAME, or --all-clients"),
        (("set", "New", "--client", "Acme", "--all-clients", "--limit", "5"), "give --client NAME, or"),
        (("set", "New", "--client", "Acme"), "a new budget needs a limit: give --limit 500"),
        (("set", "New", "--client", "Acme", "--limit", "five"), 'not "five"'),
        (("set", "New", "--client", "Acme", "--limit", "5", "--where", "outcome=ok"), "not by outcome"),
        (
            ("set", "New", "--client", "Acme", "--limit", "5", "--start-day", "sun"),
            "the start day of a month",
        ),
        (("set", "New", "--all-clients", "--limit", "5"), "needs a time zone"),
        (("archive", "New", "--client", "Acme"), 'no budget is called "New"; there are: none yet'),
        (("history", "New", "--all-clients"), 'no budget is called "New"'),
        (("check", "--client", "Acme", "--tag", "user"), '--tag must be KEY=VALUE, not "user"'),
        (("check", "--client", "Nobody"), "Nobody"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    database: Database, arguments: tuple[str, ...], reason: str
) -> None:
    factories.client(database)

    result = run(database, "budgets", *arguments, *(("--by", "ada") if arguments[0] == "set" else ()))

    assert result.exit_code == 1
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
