"""Data health under AppTest: what it says, to whom, and the comparison that is made on demand."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from analytics.database import Database
from analytics.ui.frame import reads
from tests import factories
from tests.app import open_page, text_of

pytestmark = pytest.mark.usefixtures("cold_caches")

PAGE = "pages/data_health.py"
PUBLIC = {"access": {"public_client": "Acme"}}


@pytest.fixture(autouse=True)
def own_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This machine has tracked nothing."""
    monkeypatch.setenv("USAGE_DATA_DIR", str(tmp_path))


@pytest.fixture
def acme(configured: Database) -> UUID:
    """A client of the database that the dashboard is configured with."""
    return factories.client(configured)


def _log(database: Database, client_id: UUID | None, **columns: object) -> None:
    log = factories.usage_log(client_id, created_at=datetime.now(UTC), **columns)  # type: ignore[arg-type]
    factories.insert_usage(database, log)


def test_all_is_well(database: Database, acme: UUID) -> None:
    _log(database, acme)
    page = open_page(PAGE)

    assert not page.exception
    [summary] = page.success
    assert summary.value.startswith("**All is well**")
    assert "1 call from" in text_of(page).replace("\\", "")


def test_what_is_to_do_comes_first(database: Database, acme: UUID) -> None:
    _log(database, acme, model="new", cost_usd=Decimal(0), cost_basis="unpriced")
    page = open_page(PAGE)

    [summary] = page.warning
    assert summary.value.startswith("**1 of ")
    text = text_of(page)
    assert text.index("Calls without a price") < text.index("Calls in these days")
    assert "Add a price on the page" in text


def test_a_failure_is_said_first(database: Database, acme: UUID) -> None:
    page = open_page(PAGE)

    [summary] = page.error
    assert "failed**" in summary.value
    assert "This client has no calls" in text_of(page)


def test_the_installation_is_for_those_who_see_all_clients(database: Database, acme: UUID) -> None:
    _log(database, acme)
    _log(database, None)

    assert "## Installation" in text_of(open_page(PAGE))
    reads.forget()
    public = text_of(open_page(PAGE, secrets=PUBLIC))

    assert "## Installation" not in public
    assert "without a client" not in public
    assert "PostgreSQL" not in public


def test_sums_are_compared_on_demand(database: Database, acme: UUID) -> None:
    _log(database, acme)
    database.fold()
    page = open_page(PAGE)
    assert "Compared at" not in text_of(page)

    [compare] = [button for button in page.button if button.label == "Compare now"]
    compare.click()
    page.run()
    assert "Equal on each day" in text_of(page)

    with database.transaction() as connection:
        connection.execute("update usage_daily_rollup set request_count = 5")
    [compare] = [button for button in page.button if button.label == "Compare now"]
    compare.click()
    page.run()
    assert "1 sum of a day and model differ" in text_of(page)


def test_names_are_shown_as_they_are(database: Database, acme: UUID) -> None:
    _log(database, acme, model="**<b>$x$", cost_usd=Decimal(0), cost_basis="unpriced")

    assert r"\*\*\<b\>\$x\$" in text_of(open_page(PAGE))
