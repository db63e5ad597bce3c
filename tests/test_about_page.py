"""The page that explains the numbers: it needs no database."""

import pytest
from streamlit.testing.v1 import AppTest

from analytics.config import PROJECT_DIRECTORY


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page as a deep link opens it, while no database answers."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/usage")
    app = AppTest.from_file(str(PROJECT_DIRECTORY / "streamlit_app.py"), default_timeout=60)
    return app.switch_page("pages/about_the_numbers.py").run()


def test_it_opens_without_a_database(page: AppTest) -> None:
    assert not page.exception
    assert not page.error


def test_it_says_whose_price_decides(page: AppTest) -> None:
    (text,) = [each.value for each in page.markdown if "## Prices" in each.value]
    prices = text.partition("## Prices")[2].partition("## ")[0]

    lists = ["client's own prices", "this installation's", "public list"]
    places = [prices.index(name) for name in lists]
    assert places == sorted(places)
    # Prices are the database's, which this page does without.
    assert not page.dataframe
