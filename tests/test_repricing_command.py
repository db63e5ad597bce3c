"""`python -m analytics reprice` and `corrections`, as a person meets them."""

import re
from datetime import UTC
from decimal import Decimal
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from analytics.__main__ import main
from analytics.corrections import list_corrections
from analytics.database import Database
from tests import factories
from tests.repricing import corrected, log

THIS_DAY = ("--from", "2026-03-18", "--to", "2026-03-18")
APPLY = ("--apply", "--reason", "typo", "--by", "ana")


def run(database: Database, *arguments: object) -> Result:
    url = database.url.render_as_string(hide_password=False)
    return CliRunner().invoke(main, [str(each) for each in arguments], env={"DATABASE_URL": url})


def test_the_command_shows_then_corrects_then_undoes(database: Database, acme: UUID) -> None:
    factories.insert_usage(
        database,
        log(acme),
        log(acme, cost_usd=Decimal("1234.5"), cost_basis="given"),
        log(acme, cost_usd=Decimal("0.0093001")),
        log(acme, source="groq", model=None, cost_usd=Decimal(0)),
        log(acme, model="nobody-\x1b[31mknows", cost_usd=Decimal("0.5")),
    )

    shown = run(database, "reprice", "--client", "Acme", *THIS_DAY)

    assert shown.exit_code == 0
    heading, blank, *table, end, given, kept, promise = shown.output.splitlines()
    assert heading == "Acme, 2026-03-18 to 2026-03-18, days in UTC"
    assert blank == end == ""
    assert len({len(line) for line in table}) == 1
    assert [re.split(" {2,}", line) for line in table] == [
        [
            *("source", "model", "requests", "booked", "repriced", "difference"),
            *("to correct", "unpriced", "still unpriced", "given", "no price now"),
        ],
        ["openai", "gpt-4", "3", "$1,234.53", "$1,234.52", "-$0.011", "2", "0", "0", "1", "0"],
        ["groq", "—", "1", "$0.00", "$0.00", "$0.00", "0", "0", "0", "0", "0"],
        ["openai", "nobody-?[31mknows", "1", "$0.50", "$0.50", "$0.00", "0", "0", "0", "0", "1"],
        ["total", "5", "$1,235.03", "$1,235.02", "-$0.011", "2", "0", "0", "1", "1"],
    ]
    assert given == "given: the writer of these calls gave their cost, and they keep it"
    assert kept == "no price now: these calls keep the cost they have"
    assert promise == 'nothing was changed: the same again with --apply --reason "..." corrects 2 calls'

    applied = run(database, "reprice", "--client", acme, *THIS_DAY, *APPLY)

    (correction,) = list_corrections(database)
    assert applied.exit_code == 0
    assert applied.output.splitlines() == [
        *shown.output.splitlines()[:-1],
        "corrected 2 calls from $0.029 to $0.019 (-$0.011)",
        f'to undo it: "python -m analytics corrections --undo {correction.id}"',
    ]

    for again in (("--apply", "--reason", "typo"), ()):
        result = run(database, "reprice", "--client", "Acme", *THIS_DAY, *again)
        assert result.exit_code == 0
        assert result.output.splitlines()[-1] == (
            "nothing to correct: each call costs what it is booked with, or keeps its cost"
        )

    listed = run(database, "corrections", "--client", "Acme")
    undone = run(database, "corrections", "--undo", correction.id, "--by", "bob")
    listed_again = run(database, "corrections")
    refused = run(database, "corrections", "--undo", correction.id, "--by", "bob")

    assert listed.output.splitlines() == [
        f"{correction.id}  {correction.corrected_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "  Acme, 2026-03-18 to 2026-03-18 (UTC)",
        "  2 calls from $0.029 to $0.019 (-$0.011)",
        "  by ana: typo",
    ]
    assert undone.output == f"undone: 2 calls cost again what they did before correction {correction.id}\n"
    assert listed_again.output.startswith(f"{listed.output}  undone by bob at ")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"error: correction {correction.id} was undone by bob at ")
    assert refused.stderr.count("\n") == 1


def test_what_undoing_could_not_restore_is_told(database: Database, acme: UUID) -> None:
    rows = [log(acme) for _ in range(3)]
    factories.insert_usage(database, *rows)
    correction = corrected(database, acme)
    with database.transaction() as connection:
        connection.execute("update usage_logs set cost_usd = 9 where id = %s", [rows[0]["id"]])
        connection.execute("delete from usage_logs where id = %s", [rows[1]["id"]])

    result = run(database, "corrections", "--undo", correction.id)

    assert result.output.splitlines() == [
        f"undone: 1 call cost again what they did before correction {correction.id}",
        "1 call changed since, and left as now",
        "1 call deleted since",
    ]


def test_the_user_of_the_machine_is_who_corrects(
    database: Database, acme: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "carla")
    factories.insert_usage(database, log(acme))

    only = ("--source", "openai", "--model", "gpt-4")
    applied = run(
        database, "reprice", "--client", "Acme", *THIS_DAY, *only, "--apply", "--reason", "one\ntwo"
    )

    (correction,) = list_corrections(database)
    assert applied.exit_code == 0
    assert correction.corrected_by == "carla"
    listed = run(database, "corrections").output
    assert "  Acme, 2026-03-18 to 2026-03-18 (UTC), openai gpt-4\n" in listed
    assert listed.endswith("  by carla: one two\n")


def test_no_corrections_yet(database: Database) -> None:
    assert run(database, "corrections").output == 'no corrections: "python -m analytics reprice" makes them\n'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--from", "18/03/2026", "--to", "2026-03-18"),
            '--from must be a day such as 2026-03-18, not "18/03/2026"',
        ),
        (
            ("--from", "2026-03-18", "--to", "2026-02-30"),
            '--to must be a day such as 2026-03-18, not "2026-02-30"',
        ),
        (("--from", "2026-03-19", "--to", "2026-03-18"), "--from and --to: 2026-03-19 is after 2026-03-18"),
        ((*THIS_DAY, "--apply"), '--apply needs --reason "why", which is kept with the correction'),
        (
            (*THIS_DAY, "--apply", "--reason", " "),
            "a correction is kept with a reason: give one that",
        ),
        (
            (*THIS_DAY, "--apply", "--reason", "typo", "--by", ""),
            "a correction is kept with the name of who makes it: give one that",
        ),
        ((*THIS_DAY, "--model", " "), "the model must be a name, not ' ': leave it out for all of them"),
        (THIS_DAY, '"Acme" has no calls: log or import some first'),
    ],
)
def test_mistakes_are_named_in_one_line(
    database: Database, acme: UUID, arguments: tuple[str, ...], message: str
) -> None:
    result = run(database, "reprice", "--client", acme, *arguments)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1
