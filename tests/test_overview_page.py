"""The Overview under AppTest: with data, empty, with the database away, and with links that do not work."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
import streamlit as st
from sqlalchemy.engine import URL
from streamlit.testing.v1 import AppTest

from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database
from tests import factories
from tests.tcp_proxy import TcpProxy

PAGE = str(PROJECT_DIRECTORY / "streamlit_app.py")
TIMEOUT_SECONDS = 60


@pytest.fixture(autouse=True)
def cold_caches() -> Iterator[None]:
    """Each test begins as a server that has just started."""
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def configured(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The test's database, as the one that the dashboard is configured with."""
    _configure(monkeypatch, database.url)
    return database


def _configure(monkeypatch: pytest.MonkeyPatch, url: URL) -> None:
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))


def _open(**link: str) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=TIMEOUT_SECONDS)
    for name, value in link.items():
        page.query_params[name] = value
    return page.run()


def _use_now(database: Database, name: str = "Acme", **columns: object) -> None:
    client_id = factories.client(database, name)
    factories.insert_usage(database, factories.usage_log(client_id, created_at=datetime.now(UTC), **columns))


def _metrics(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def _text(page: AppTest) -> str:
    elements = [*page.markdown, *page.caption, *page.info, *page.error, *page.warning]
    return "\n".join(element.value for element in elements)


def test_cards_add_up(configured: Database) -> None:
    client_id = factories.client(configured)
    now = datetime.now(UTC)
    factories.insert_usage(
        configured,
        factories.usage_log(client_id, created_at=now),
        factories.usage_log(client_id, created_at=now, source="groq", cost_usd=Decimal(0)),
        factories.usage_log(
            client_id, created_at=now, source="whisper", model="whisper-1", prompt_tokens=0,
            completion_tokens=0, total_tokens=40, cost_usd=Decimal("0.003"),
        ),
    )  # fmt: skip
    page = _open()

    assert not page.exception
    assert _metrics(page) == {
        "Total tokens": "500",
        "Total cost": "$0.012",
        "OpenAI": "230",
        "Groq": "230",
        "Other": "40",
    }
    assert "3\N{NO-BREAK SPACE}requests" in _text(page)
    assert "40\N{NO-BREAK SPACE}undivided" in _text(page)


def test_other_has_no_card_while_it_is_zero(configured: Database) -> None:
    _use_now(configured)
    assert "Other" not in _metrics(_open())


def test_unpriced_calls_are_told(configured: Database) -> None:
    _use_now(configured, cost_usd=Decimal(0), cost_basis="unpriced", model="nobody-knows")
    page = _open()
    assert "0.0% priced, 1 at unknown cost" in _text(page)
    assert _metrics(page)["Total cost"] == "cost unknown"
    assert page.dataframe[0].value["Cost"].isna().all()


def test_the_period_is_in_the_link(configured: Database) -> None:
    _use_now(configured)
    page = _open(days="7d")
    assert "Model comparison, last 7 days" in _text(page)
    page.button_group(key="days").set_value("90d").run()
    assert "Model comparison, last 90 days" in _text(page)


def test_phones_are_masked_until_asked_for(configured: Database) -> None:
    _use_now(configured, phone="5511987654321")
    page = _open()
    table = page.dataframe[-1]
    assert table.value["Phone"].tolist() == ["•••• 4321"]
    page.toggle(key="phones").set_value(True).run()
    assert page.dataframe[-1].value["Phone"].tolist() == ["5511987654321"]


def test_a_client_without_calls_is_told_so(configured: Database) -> None:
    factories.client(configured, "Quiet Ltd")
    page = _open()
    assert not page.exception
    assert "No usage in the last 30 days" in _text(page)
    assert _metrics(page)["Total tokens"] == "0"


def test_a_database_without_clients_says_how_to_begin(configured: Database) -> None:
    page = _open()
    assert not page.exception
    assert "This database has no client" in _text(page)
    assert "python -m analytics import" in page.code[0].value


def test_two_clients_are_chosen_by_name_or_id_and_never_mixed(configured: Database) -> None:
    _use_now(configured, "Acme", prompt_tokens=1000, completion_tokens=0)
    other = factories.client(configured, "Other Ltd")
    assert _metrics(_open())["Total tokens"] == "1.00K"
    assert _metrics(_open(client="Other Ltd"))["Total tokens"] == "0"
    assert _metrics(_open(client=str(other)))["Total tokens"] == "0"


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"days": "abc"}, 'days must be one of 7d, 30d, 60d, 90d, not "abc"'),
        ({"days": "45d"}, 'days must be one of 7d, 30d, 60d, 90d, not "45d"'),
        ({"days": ""}, 'days must be one of 7d, 30d, 60d, 90d, not ""'),
        ({"show": "<b>"}, 'show must be one of Tokens, Cost, not "<b>"'),
        ({"client": "nobody"}, 'no client "nobody" that you could see here'),
        ({"client": str(uuid4())}, "that you could see here"),
        ({"client": "00000000-0000-0000-0000-000000000000"}, "that you could see here"),
    ],
)
def test_a_link_that_does_not_work_says_why(configured: Database, link: dict[str, str], message: str) -> None:
    _use_now(configured)
    factories.insert_usage(configured, factories.usage_log(None))  # type: ignore[arg-type]
    page = _open(**link)
    assert not page.exception
    assert not page.metric
    assert message.lower() in page.error[0].value.lower().replace("\\", "")

    page.button[0].click().run()
    assert _metrics(page)["Total tokens"] == "230"


def test_a_database_without_migrations_says_what_to_do(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _configure(monkeypatch, empty_database.url)
    page = _open()
    assert not page.exception
    assert 'run "python -m analytics migrate"' in page.error[0].value.replace("\\", "")


@pytest.mark.parametrize(
    "url", ["postgresql://me:s3cret@127.0.0.1:1/usage", "nonsense", "mysql://me:s3cret@host/usage"]
)
def test_a_wrong_url_says_what_to_do(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    page = _open()
    assert not page.exception
    assert "No numbers to show" in page.error[0].value
    assert "DATABASE_URL" in page.error[0].value.replace("\\", "")
    assert "s3cret" not in _text(page)


def test_the_last_good_numbers_stay_while_the_database_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use_now(database)
    with TcpProxy(database.url) as proxy:
        _configure(monkeypatch, proxy.url)
        page = _open()
        shown = _metrics(page)
        proxy.stop()

        _button(page, "Refresh").click().run()

        assert not page.exception
        assert _metrics(page) == shown
        assert "The database does not answer" in page.warning[0].value


def test_an_open_page_asks_the_database_once_a_minute(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use_now(database)
    with TcpProxy(database.url) as proxy:
        _configure(monkeypatch, proxy.url)
        page = _open()
        asked = proxy.round_trips
        assert asked > 0

        page.run()
        page.toggle(key="phones").set_value(True).run()
        page.button_group(key="show").set_value("Cost").run()
        assert proxy.round_trips == asked

        _button(page, "Refresh").click().run()
        assert proxy.round_trips > asked


def _button(page: AppTest, label: str):  # type: ignore[no-untyped-def]
    return next(button for button in page.button if button.label == label)


@pytest.mark.parametrize(
    "link",
    [
        {"client": "Beta", "days": "abc"},
        {"days": "7d", "show": "nonsense"},
        {"client": "nobody", "days": "7d", "show": "Cost"},
    ],
)
def test_one_wrong_part_of_a_link_has_a_way_out(configured: Database, link: dict[str, str]) -> None:
    _use_now(configured, "Acme")
    factories.client(configured, "Beta")
    page = _open(**link)
    assert len(page.error) == 1

    page.button[0].click().run()
    assert not page.exception
    assert _metrics(page)["Total tokens"] == "230"


def test_other_spellings_are_put_right_together(configured: Database) -> None:
    _use_now(configured)
    page = _open(days="7", show="cost")
    assert not page.error
    assert page.button_group(key="days").value == "7d"
    assert page.button_group(key="show").value == "Cost"
    assert "Model comparison, last 7 days" in _text(page)


def test_a_client_that_disappears_from_an_open_page_leaves_a_way_out(configured: Database) -> None:
    factories.client(configured, "Acme")
    gone = factories.client(configured, "Beta")
    page = _open(client="Beta")
    assert not page.error
    with configured.transaction() as connection:
        connection.execute("delete from clients where id = %s", [gone])

    _button(page, "Refresh").click().run()
    assert 'no client "beta" that you could see here' in page.error[0].value.replace("\\", "").lower()

    page.button[0].click().run()
    assert not page.exception


def test_the_first_client_appears_at_the_next_visit(configured: Database) -> None:
    assert "This database has no client" in _text(_open())
    _use_now(configured)
    assert _metrics(_open())["Total tokens"] == "230"


def test_a_name_that_is_a_phone_is_masked_too(configured: Database) -> None:
    client_id = factories.client(configured)
    conversation_id = factories.conversation(configured, client_id, name="+55 11 98765-4321")
    log = factories.usage_log(
        client_id, conversation_id=conversation_id, phone=None, created_at=datetime.now(UTC)
    )
    factories.insert_usage(configured, log)
    assert _open().dataframe[-1].value["Conversation"].tolist() == ["•••• 4321"]


def test_namesakes_can_each_be_chosen(configured: Database) -> None:
    first = factories.client(configured, "Acme", id=UUID(int=1))
    factories.client(configured, "Acme", id=UUID(int=2))
    factories.insert_usage(configured, factories.usage_log(first, created_at=datetime.now(UTC)))
    assert _metrics(_open(client=str(UUID(int=1))))["Total tokens"] == "230"
    assert _metrics(_open(client=str(UUID(int=2))))["Total tokens"] == "0"
