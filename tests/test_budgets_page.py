"""Budgets under AppTest: what is shown to whom, and a budget that is made, changed and archived."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb
from streamlit.testing.v1 import AppTest

from analytics.alerts import check
from analytics.budgets import load_budgets
from analytics.database import Database
from analytics.queries.alerts import load_alerts
from analytics.ui.budgets.people import NOBODY_SIGNED_IN
from tests import factories
from tests.app import button, open_page, text_of

pytestmark = pytest.mark.usefixtures("cold_caches")

PAGE = "pages/budgets.py"
PUBLIC = {"access": {"public_client": "Acme"}}


@pytest.fixture
def acme(configured: Database) -> UUID:
    """A client that spent 60 dollars today."""
    client_id = factories.client(configured)
    factories.insert_usage(
        configured, factories.usage_log(client_id, cost_usd=Decimal(60), created_at=datetime.now(UTC))
    )
    return client_id


def fill(page: AppTest, **texts: str) -> None:
    """Fills in fields of the form by their labels."""
    for widget in page.text_input:
        if widget.label.lower() in texts:
            widget.set_value(texts[widget.label.lower()])


def plain(page: AppTest) -> str:
    """text_of(), without what Markdown needs."""
    return text_of(page).replace("\\", "").replace("\N{NO-BREAK SPACE}", " ")


def test_a_budget_is_made_and_tells_at_once(configured: Database, acme: UUID) -> None:
    page = open_page(PAGE)
    assert "has no budget yet" in page.info[0].value

    fill(page, name="Support", limit="100")
    button(page, "Make the budget").click().run()

    assert not page.exception
    assert page.success[0].value.startswith(r"Made: Support, \$100\.00 a month")
    [status] = load_budgets(configured, acme, datetime.now(UTC))
    assert (status.name, status.limit_amount, status.spent) == ("Support", 100, 60)
    [alert] = load_alerts(configured, acme)
    text = text_of(page)
    assert alert.title.startswith("Acme: Support reached 50 % of $100.00")
    assert "reached 50 %" in text.replace("\\", "")

    button(page, "Seen").click().run()
    assert [each.is_open for each in load_alerts(configured, acme)] == [False]


def test_what_cannot_be_is_refused_in_the_form(configured: Database, acme: UUID) -> None:
    page = open_page(PAGE)

    fill(page, limit="a lot")
    button(page, "Make the budget").click().run()

    assert not page.exception
    assert "The limit must be an amount such as 500" in page.error[0].value.replace("\\", "")
    assert load_budgets(configured, acme, datetime.now(UTC)) == []


def test_a_budget_is_opened_changed_and_archived(configured: Database, acme: UUID) -> None:
    budget_id = factories.budget(configured, acme, limit_amount=100)
    page = open_page(PAGE, budget=str(budget_id))
    assert not page.exception
    assert "What held when" in page.expander[0].label

    fill(page, limit="50")
    button(page, "Change from now on").click().run()
    [status] = load_budgets(configured, acme, datetime.now(UTC))
    assert (status.limit_amount, status.is_exceeded) == (50, True)

    button(page, "Archive this budget").click().run()
    assert load_budgets(configured, acme, datetime.now(UTC)) == []
    assert "has no budget yet" in page.info[0].value


def test_a_visitor_sees_and_changes_nothing(configured: Database, acme: UUID) -> None:
    budget_id = factories.budget(configured, acme)
    factories.budget(configured, None, name="Of all")
    page = open_page(PAGE, secrets=PUBLIC, budget=str(budget_id))

    assert not page.exception
    assert [each.label for each in page.button if "budget" in each.label.lower()] == []
    assert "Only administrators of this client can make and change budgets." in text_of(page)
    assert "Of all" not in text_of(page)


def test_a_split_budget_has_a_row_per_value(configured: Database, acme: UUID) -> None:
    budget_id = factories.budget(configured, acme, split_by="user")
    page = open_page(PAGE, budget=str(budget_id))

    assert not page.exception
    assert page.dataframe[0].value["Value"].tolist() == ["no user"]


def test_a_value_of_a_split_budget_has_a_link_of_its_own(configured: Database, acme: UUID) -> None:
    now = datetime.now(UTC)
    with configured.transaction() as connection:
        for place, user in enumerate(("ada", "bob"), start=1):
            statement = "insert into tag_sets (client_id, id, tags) values (%s, %s, %s)"
            connection.execute(statement, [acme, place, Jsonb({"user": user})])
    spent = {1: Decimal(30), 2: Decimal(20)}
    factories.insert_usage(
        configured,
        *(
            factories.usage_log(acme, cost_usd=usd, created_at=now, tag_set_id=place)
            for place, usd in spent.items()
        ),
    )
    budget_id = factories.budget(
        configured, acme, split_by="user", thresholds=[{"percent": 10, "on": "actual"}]
    )
    check(configured, now)

    page = open_page(PAGE, budget=str(budget_id))
    assert "## All, user = ada" in plain(page)
    assert page.dataframe[0].value["Value"].tolist() == ["ada", "bob", "no user"]
    assert page.dataframe[0].value["Spent"].tolist() == [30, 20, 60]

    page = open_page(PAGE, budget=str(budget_id), value="bob")
    assert "## All, user = bob" in plain(page)
    assert "Crossed: 10 %" in plain(page)

    links = {alert.subject: alert.link for alert in load_alerts(configured, acme)}
    assert links["bob"].endswith(f"budget={budget_id}&value=bob")
    assert "## All, user = ada" in plain(open_page(PAGE, budget=str(budget_id), value="nobody"))


def test_past_periods_say_what_was_crossed(configured: Database) -> None:
    # Where a day does not begin when it does in UTC.
    client_id = factories.client(configured, timezone="America/Sao_Paulo")
    noon = datetime(2026, 1, 10, 12, tzinfo=UTC)
    rows = [factories.usage_log(client_id, created_at=noon, cost_usd=Decimal(60))]
    rows.append(factories.usage_log(client_id, created_at=noon, cost_usd=None, model="unheard-of"))
    factories.insert_usage(configured, *rows)
    budget_id = factories.budget(configured, client_id, thresholds=[{"percent": 50, "on": "actual"}])
    check(configured, noon)

    page = open_page(PAGE, budget=str(budget_id))

    [past] = [table.value for table in page.dataframe if "Crossed" in table.value]
    january = past[past["From"] == date(2026, 1, 1)].iloc[0]
    assert (january["Spent"], january["Crossed"]) == (60, "50 % 10 Jan")


def test_what_a_budget_would_be_is_told_before_it_is_made(configured: Database, acme: UUID) -> None:
    page = open_page(PAGE)

    fill(page, name="Support", limit="100")
    button(page, "What it would be now").click().run()

    assert not page.exception
    [told] = [each.value for each in page.info if "Now" in each.value]
    assert told.replace("\\", "").startswith(
        "Now $60.00 of $100.00, 60 %. It tells at once: 50 %. It resets "
    )
    assert load_budgets(configured, acme, datetime.now(UTC)) == []

    fill(page, limit="none")
    button(page, "What it would be now").click().run()
    assert "The limit must be an amount" in plain(page)


def test_mutes_are_told_and_end(configured: Database, acme: UUID) -> None:
    factories.budget(
        configured, acme, name="Support", thresholds=[{"percent": 50, "on": "actual"}], period="day"
    )
    check(configured, datetime.now(UTC))
    page = open_page(PAGE)

    button(page, "Mute").click().run()
    assert 'No channel is told of the budget "Support" until ' in plain(page)
    assert NOBODY_SIGNED_IN in plain(page)
    button(page, "Mute all for a day").click().run()
    assert "No channel is told of anything here until " in plain(page)

    visitor = open_page(PAGE, secrets=PUBLIC)
    assert "No channel is told of anything here until " in plain(visitor)
    assert NOBODY_SIGNED_IN not in plain(visitor)
    assert [each.label for each in visitor.button if "Mute" in each.label] == []

    button(page, "Tell again").click().run()
    assert "No channel is told" not in plain(page)


def test_a_visitor_who_did_not_sign_in_learns_no_names(configured: Database, acme: UUID) -> None:
    budget_id = factories.budget(configured, acme)
    assert "by tests" in plain(open_page(PAGE, budget=str(budget_id)))

    visitor = open_page(PAGE, secrets=PUBLIC, budget=str(budget_id))
    assert "by tests" not in plain(visitor)
    assert "by an administrator" in plain(visitor)


def test_a_budget_of_all_clients_leads_to_all_of_them(configured: Database, acme: UUID) -> None:
    other = factories.client(configured, name="Other")
    factories.insert_usage(
        configured, factories.usage_log(other, cost_usd=Decimal(7), created_at=datetime.now(UTC))
    )
    budget_id = factories.budget(configured, None, name="Everybody")

    page = open_page(PAGE, budget=str(budget_id))

    assert not page.exception
    links = {each.proto.label.replace("\\", ""): each.proto for each in page.main.get("page_link")}
    assert links["By client"].page == "clients"
    [(_, of_other)] = [(label, link) for label, link in links.items() if label.startswith("client Other")]
    assert (of_other.page, "client=Other" in of_other.query_string) == ("calls", True)


def test_a_link_that_is_no_budget_says_so(configured: Database, acme: UUID) -> None:
    page = open_page(PAGE, budget="abc")

    assert not page.exception
    assert 'Budget must be the id of one, not "abc"' in text_of(page).replace("\\", "")


def test_the_overview_tells_the_nearest_budget_and_unusual_days(configured: Database) -> None:
    client_id = factories.client(configured)
    now = datetime.now(UTC)
    rows = [
        factories.usage_log(client_id, created_at=now - timedelta(days=day), cost_usd=Decimal(10))
        for day in range(60)
    ]
    rows.append(
        factories.usage_log(client_id, model="gpt-4o", created_at=now - timedelta(days=3), cost_usd=200)
    )
    factories.insert_usage(configured, *rows)
    factories.budget(configured, client_id, name="Near", limit_amount=11, period="day")
    factories.budget(configured, client_id, name="Far", limit_amount=10_000, period="day")

    links = text_of(open_page()).replace("\\", "").replace("\N{NO-BREAK SPACE}", " ")

    assert "Near: $10.00 of $11.00, 91 %" in links
    assert "cost $210.00, usually $10.00: mostly openai gpt-4o" in links


def test_where_a_client_is_going(configured: Database) -> None:
    client_id = factories.client(configured)
    now = datetime.now(UTC)
    factories.insert_usage(
        configured,
        *(
            factories.usage_log(client_id, created_at=now - timedelta(days=day), cost_usd=Decimal(10))
            for day in range(100)
        ),
    )

    page = open_page(PAGE)

    table = page.dataframe[0].value.set_index("Provider")
    assert table.index.tolist() == ["All", "OpenAI"]
    # They are numbers, which sort by their values.
    assert {str(kind) for kind in table.dtypes} == {"float64"}
    everything = table.loc["All"]
    assert 270 < everything["on"] < 320
    assert everything["on_low"] <= everything["on"] <= everything["on_high"]
    assert "months were within such a range" in text_of(page).replace("\N{NO-BREAK SPACE}", " ")
