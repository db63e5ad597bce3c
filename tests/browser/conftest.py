"""One browser and, for tests that change nothing, one dashboard over one demo database."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from analytics.database import Database
from tests.browser import dashboard
from tests.browser.demo import Demo, fill
from tests.browser.visits import kept_scripts
from tests.clones import Clones

# A machine that is busy with other tests is slower than what people would wait for.
expect.set_options(timeout=dashboard.LOAD_TIMEOUT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives a browser; where there is none it is skipped, except in CI."""
    has_none = dashboard.chromium() is None and not os.environ.get("CI")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if has_none:
                reason = "no Chromium or Chrome on the PATH"
                item.add_marker(pytest.mark.skip(reason=reason))


# Not longer than these tests: other tests open browsers of their own, and two at a time are refused.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with dashboard.open_browser() as browser:
        yield browser


@pytest.fixture(scope="package")
def demo_database(clones: Clones, migrated_template: str) -> Iterator[Database]:
    with clones.copy(migrated_template) as database:
        fill(database, datetime.now(UTC))
        yield database


@pytest.fixture(scope="package")
def shown(
    browser: Browser, demo_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    """A dashboard that shows the demo database. Tests read only."""
    directory = tmp_path_factory.mktemp("dashboard")
    url = demo_database.url.render_as_string(hide_password=False)
    # The day before yesterday is over, wherever a client is.
    last = datetime.now(UTC).date() - timedelta(days=2)
    with (
        dashboard.running_dashboard(
            directory / "streamlit.log", DATABASE_URL=url, USAGE_DATA_DIR=str(directory)
        ) as address,
        kept_scripts(address),
    ):
        yield Demo(address=address, database=demo_database, first=last - timedelta(days=20), last=last)
