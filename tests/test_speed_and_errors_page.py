"""Speed and errors under AppTest: what is measured, of how many calls, and what is read only when asked."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from analytics.database import Database
from tests import factories
from tests.app import button, metrics_of, open_page, text_of

pytestmark = pytest.mark.usefixtures("cold_caches")

PATH = "pages/speed_and_errors.py"
MARCH = "2026-03-01..2026-03-31"
BLANK = "\N{NO-BREAK SPACE}"


@pytest.fixture
def client_id(configured: Database) -> UUID:
    return factories.client(configured)


def use(database: Database, client_id: UUID, hour: int = 12, **columns: Any) -> None:
    at = datetime(2026, 3, 5, hour, tzinfo=UTC)
    factories.insert_usage(database, factories.usage_log(client_id, created_at=at, **columns))


def open_march(**link: str) -> AppTest:
    page = open_page(PATH, days=MARCH, **link)
    assert not page.exception
    return page


def table(page: AppTest, column: str) -> pd.DataFrame:
    """The table that has this column, by model."""
    [found] = [each.value for each in page.dataframe if column in each.value]
    return found.set_index("Model")


def test_times_and_outcomes_of_each_model(database: Database, client_id: UUID) -> None:
    for outcome, latency, first in (
        ("ok", 100, 50), ("ok", 100, None), ("error", 9000, 8000), ("cut", None, None), (None, 2000, 500),
    ):  # fmt: skip
        use(database, client_id, outcome=outcome, latency_ms=latency, time_to_first_token_ms=first)
    use(database, client_id, model=None, source="groq", outcome="ok")
    page = open_march()

    speed = table(page, "p50")
    assert speed.index.tolist() == ["", "", "", "gpt-4", "(no model)"]
    assert speed["Provider"].tolist() == ["All", "OpenAI", "Groq", "OpenAI", "Groq"]
    # The error's nine seconds are no answer's.
    for line in (speed.iloc[0], speed.iloc[1], speed.loc["gpt-4"]):
        assert line["p50"] == pytest.approx(100, rel=0.02)
        assert line["p95"] == pytest.approx(2000, rel=0.02)
        assert line["First token p50"] == pytest.approx(50, rel=0.02)
        assert line["First token p99"] == pytest.approx(500, rel=0.02)
        # Three calls of 80 tokens in 2.2 seconds.
        assert line["Tokens/s"] == pytest.approx(240 / 2.2)
    assert speed["Measured"].tolist() == [3 / 5, 3 / 4, 0, 3 / 4, 0]
    assert pd.isna(speed.loc["(no model)", "p50"])

    failures = table(page, "Retries")
    columns = ["Requests", "Answered", "Failed", "Cut off", "Not told"]
    assert failures[columns].values.tolist() == [
        [6, 3, 1, 1, 1], [5, 2, 1, 1, 1], [1, 1, 0, 0, 0], [5, 2, 1, 1, 1], [1, 1, 0, 0, 0],
    ]  # fmt: skip
    assert "Refused" not in failures
    assert failures["Led to nothing"].tolist()[:2] == [2 / 5, 2 / 4]
    assert failures["Cost of these"].tolist()[:3] == [0.0186, 0.0186, 0]
    text = text_of(page)
    assert "Measured on 60.0% of calls." in text
    assert metrics_of(page)["Led to nothing"] == "40.0%"
    assert metrics_of(page)["Cost of these"] == "$0.019"


def test_retries_and_attempts_that_were_replaced(database: Database, client_id: UUID) -> None:
    for attempt, outcome, operation, model in (
        (1, "error", "a", "gpt-4"), (2, "ok", "a", "gpt-4"),
        (1, "ok", "b", "gpt-4"), (2, "cut", "b", "gpt-4o"), (3, "ok", "b", "gpt-4o"),
        (1, "ok", "c", "gpt-4"),
    ):  # fmt: skip
        cost = Decimal("0.01") * attempt
        use(
            database, client_id, attempt=attempt, outcome=outcome, operation_id=operation, model=model,
            cost_usd=cost, latency_ms=100,
        )  # fmt: skip
    page = open_march()
    failures = table(page, "Retries")
    assert failures["Retries"].to_dict() == {"": 3, "gpt-4": 1, "gpt-4o": 2}
    assert failures["Cost of retries"].tolist() == [0.07, 0.02, 0.05]
    assert failures["Cost of these"].tolist() == [0.03, 0.01, 0.02]
    assert not [each for each in page.dataframe if "Replaced" in each.value]

    button(page, "Read every call").click()
    page.run()
    assert not page.exception
    replaced = table(page, "Replaced")
    assert replaced[["Operations", "Attempts", "Replaced"]].to_dict("index") == {
        "gpt-4": {"Operations": 2, "Attempts": 3, "Replaced": 1},
        "gpt-4o": {"Operations": 1, "Attempts": 2, "Replaced": 0},
    }
    # The first attempt of b had been answered.
    assert replaced["Cost of replaced"].tolist() == [0.01, 0]
    assert f"1{BLANK}attempt that had been answered were replaced" in text_of(page)


def test_hours_are_those_of_the_client_and_read_only_when_asked(database: Database, client_id: UUID) -> None:
    with database.transaction() as connection:
        connection.execute("update clients set timezone = 'Asia/Tokyo'")
    for hour, latency in ((0, 100), (0, 300), (3, 4000)):
        use(database, client_id, hour, latency_ms=latency, outcome="ok")
    use(database, client_id, 3, outcome="error")
    use(database, client_id, 3, model="other", outcome="ok", latency_ms=50)
    page = open_march()
    assert "## Led to nothing by hour, 1 to 31 Mar 2026" in text_of(page)
    assert "Hours are in Asia/Tokyo." in text_of(page)

    button(page, "Read every call").click()
    page.run()
    assert not page.exception
    hours = table(page, "Measured calls")
    assert hours[["Hour", "Measured calls"]].values.tolist() == [["09:00", 2], ["12:00", 1], ["12:00", 1]]
    assert hours["p99"].tolist() == pytest.approx([300, 4000, 50], rel=0.02)
    assert f"Measured on 4{BLANK}calls" in text_of(page)

    # Other days, and other filters, are not what was read.
    assert not [each for each in open_march(model="other").dataframe if "Measured calls" in each.value]


def test_what_a_cache_saved(database: Database, client_id: UUID) -> None:
    """gpt-4o-mini: 0.15 dollars a million, 0.075 from the cache."""
    mini = {"model": "gpt-4o-mini", "prompt_tokens": 1_000_000, "completion_tokens": 0}
    use(database, client_id, **mini, cached_tokens=400_000)
    use(database, client_id, **mini, cached_tokens=0)
    use(database, client_id, **mini)
    use(database, client_id, model="own", prompt_tokens=100, cached_tokens=50)
    page = open_march()

    cache = table(page, "Saved")
    assert cache.index.tolist() == ["gpt-4o-mini", "own"]
    assert cache["Cached tokens"].tolist() == [400_000, 50]
    assert cache["Cached"].tolist() == [0.2, 0.5]
    assert cache.loc["gpt-4o-mini", "Saved"] == pytest.approx(0.03)
    assert pd.isna(cache.loc["own", "Saved"])
    text = text_of(page).replace("\\", "")
    assert "came from a cache, and saved $0.030, at the rates of the ordinary tier." in text
    assert f"1{BLANK}model without a price left out." in text


def test_filters_hold_for_every_number(database: Database, client_id: UUID) -> None:
    for model, outcome in (("a", "ok"), ("a", "error"), ("b", "ok")):
        use(database, client_id, model=model, outcome=outcome, latency_ms=100, cached_tokens=10)
    page = open_march(model="a", **{"outcome!": "error"})
    assert table(page, "p50")["Requests"].to_dict() == {"a": 1}
    assert table(page, "Retries")["Answered"].tolist() == [1]
    assert table(page, "Saved")["Cached tokens"].tolist() == [10]
    assert metrics_of(page)["Led to nothing"] == "0.0%"
    button(page, "Read every call").click()
    page.run()
    assert table(page, "Measured calls")["Measured calls"].to_dict() == {"a": 1}


def test_that_nothing_is_told_is_said(database: Database, client_id: UUID) -> None:
    use(database, client_id)
    text = text_of(open_march())
    assert "No call of these days says how long it took" in text
    assert "No call of these days says how it ended" in text
    assert "No call of these days tells its cached tokens" in text
    assert "time_to_first_token_ms" in text


def test_days_without_calls(database: Database, client_id: UUID) -> None:
    use(database, client_id)
    page = open_page(PATH, days="2026-01-01..2026-01-02")
    assert not page.exception
    assert "No usage" in text_of(page)
    assert not page.dataframe


def test_names_are_no_formulas(database: Database, client_id: UUID) -> None:
    use(database, client_id, model="=1+1", outcome="ok", latency_ms=1)
    assert table(open_march(), "p50").index.tolist() == ["\N{WORD JOINER}=1+1"]
