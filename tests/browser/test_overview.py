"""The Overview in a real browser: its cards against SQL, a link that shows others the same, a download."""

from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, expect

from analytics import formatting
from tests import sql_functions
from tests.browser.dashboard import LOAD_TIMEOUT_MS
from tests.browser.demo import CLIENT, Demo
from tests.browser.visits import PLACES, await_rest, choose, metrics, open_place, visitor


def _cards_in_sql(shown: Demo, days: int) -> dict[str, str]:
    client = shown.client()
    summary = sql_functions.usage_summary(shown.database, client.id, days, now=datetime.now(UTC))
    by_provider = summary.set_index("provider")
    tokens = {
        label: formatting.compact(by_provider.loc[provider, "total_tokens"])
        for label, provider in (("OpenAI", "openai"), ("Groq", "groq"), ("Other", "other"))
    }
    total = by_provider.loc["total"]
    return {
        "Total tokens": formatting.compact(total["total_tokens"]),
        "Total cost": formatting.cost(*total[["total_cost", "unpriced_count", "request_count"]]),
        **tokens,
    }


def test_switching_the_period_changes_the_numbers_and_the_link(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], client=CLIENT)
        in_30_days = metrics(page)
        assert in_30_days == _cards_in_sql(shown, days=30)

        choose(page, "Period", "7d")
        expect(page.get_by_role("heading", name="Model comparison, last 7 days")).to_be_visible()
        await_rest(page)
        in_7_days = metrics(page)
        assert in_7_days == _cards_in_sql(shown, days=7)
        assert in_7_days["Total tokens"] != in_30_days["Total tokens"]
        assert page.url == f"{shown.address}/?client=Kaveri+Foods&days=7d"

        # The link opens the same view in another visitor's browser.
        with visitor(browser) as other:
            other.goto(page.url)
            expect(other.get_by_role("heading", name="Model comparison, last 7 days")).to_be_visible()
            await_rest(other)
            assert metrics(other) == in_7_days


def test_the_statement_is_downloaded_as_pdf(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], client=CLIENT)
        page.get_by_text("Download", exact=True).first.click()
        with page.expect_download(timeout=LOAD_TIMEOUT_MS) as downloading:
            page.get_by_text("Statement (PDF)").click()

        assert downloading.value.suggested_filename.startswith("statement-kaveri-foods-")
        assert Path(downloading.value.path()).read_bytes().startswith(b"%PDF-")
