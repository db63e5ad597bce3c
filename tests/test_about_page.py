"""The page that explains the numbers: it needs no database."""

import pytest
from streamlit.testing.v1 import AppTest

from analytics import pricing
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


def test_prices_shown_are_those_that_are_charged(page: AppTest) -> None:
    shown = page.dataframe[0].value.set_index("Model")["Price (USD)"].to_dict()
    assert shown == {
        "gpt-4": "0.03 prompt, 0.06 completion, per 1,000 tokens",
        "gpt-3.5-turbo": "0.0015 prompt, 0.002 completion, per 1,000 tokens",
        "whisper-1": "0.006 per minute of audio",
        "all": "free",
    }
    assert set(shown) - {"whisper-1", "all"} == {model for _, model in pricing.INSTALLATION_PRICES}
