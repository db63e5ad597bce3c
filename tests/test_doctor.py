"""`python -m analytics doctor`: what it prints, and with which exit code it ends."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from analytics.database import Database
from tests import factories
from tests.test_cli import run


@pytest.fixture(autouse=True)
def own_spool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("USAGE_DATA_DIR", str(tmp_path))


def test_all_is_well(database: Database) -> None:
    for name in ("Acme", "Bolt"):
        log = factories.usage_log(factories.client(database, name), created_at=datetime.now(UTC))
        factories.insert_usage(database, log)

    result = run(database, "doctor")

    assert result.exit_code == 0, result.output
    assert "Installation" in result.output
    assert "Acme, last 30 days of UTC" in result.output
    assert "Bolt, last 30 days of UTC" in result.output
    assert result.output.count("ok      Sums against the calls: equal on each day") == 2
    assert "checks: 0 failed, 0 to look at" in result.output


def test_a_client_without_calls_fails_with_a_remedy(database: Database) -> None:
    client_id = factories.client(database, "Acme")
    other = factories.usage_log(factories.client(database, "Bolt"), created_at=datetime.now(UTC))
    factories.insert_usage(database, other)

    result = run(database, "doctor", "--client", "Acme")

    assert result.exit_code == 1
    assert "fail    Calls in these days: this client has no calls" in result.output
    assert "-> check that the application tracks its calls" in result.output
    assert str(client_id) in result.output
    assert "Bolt" not in result.output
    assert run(database, "doctor", "--client", "Bolt").exit_code == 0


def test_a_database_without_tables(empty_database: Database) -> None:
    result = run(empty_database, "doctor", "--client", "Acme")

    assert result.exit_code == 1
    assert "fail    Database and migrations" in result.output
    assert '"python -m analytics migrate"' in result.output


def test_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    away = Database(database.url.set(host="127.0.0.1", port=1, query={}))

    result = run(away, "doctor")

    assert result.exit_code == 1
    assert "fail    Database and migrations: cannot reach" in result.output
    assert "Traceback" not in result.output


def test_a_database_without_clients(database: Database) -> None:
    result = run(database, "doctor")

    assert result.exit_code == 1
    assert "there is no client yet" in result.stderr


def test_a_client_that_nobody_is(database: Database) -> None:
    factories.client(database, "Acme")

    result = run(database, "doctor", "--client", "Nobody")

    assert result.exit_code == 1
    assert 'no client is called "Nobody"' in result.stderr


def test_names_cannot_command_the_terminal(database: Database) -> None:
    client_id = factories.client(database, "Ac\x1b[2Jme")
    log = factories.usage_log(
        client_id, created_at=datetime.now(UTC), model="m\x1b[2J", cost_basis="unpriced", cost_usd=0
    )
    factories.insert_usage(database, log)

    assert "\x1b[2J" not in run(database, "doctor").output
