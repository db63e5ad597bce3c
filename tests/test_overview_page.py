"""The Overview under AppTest: with data, empty, with the database away, and with links that do not work."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb
from sqlalchemy.engine import URL

from analytics import pulse
from analytics.database import Database
from analytics.queries import NAMES
from analytics.ui.frame.reads import Reading
from tests import factories
from tests.app import button, metrics_of, open_page, text_of
from tests.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("cold_caches")

DAYS_REMEDY = (
    f"days must be one of 7d, 30d, 60d, 90d, {', '.join(NAMES)}, or two days such as 2026-03-01..2026-03-31"
)


def _configure(monkeypatch: pytest.MonkeyPatch, url: URL) -> None:
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))


def _use_now(database: Database, name: str = "Acme", **columns: object) -> None:
    client_id = factories.client(database, name)
    factories.insert_usage(database, factories.usage_log(client_id, created_at=datetime.now(UTC), **columns))


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
    page = open_page()

    assert not page.exception
    assert metrics_of(page) == {
        "Total tokens": "500",
        "Total cost": "$0.012",
        "OpenAI": "230",
        "Groq": "230",
        "Other": "40",
    }
    assert "3\N{NO-BREAK SPACE}requests" in text_of(page)
    assert "40\N{NO-BREAK SPACE}undivided" in text_of(page)


def test_other_has_no_card_while_it_is_zero(configured: Database) -> None:
    _use_now(configured)
    assert "Other" not in metrics_of(open_page())


def test_unpriced_calls_are_told(configured: Database) -> None:
    _use_now(configured, cost_usd=Decimal(0), cost_basis="unpriced", model="nobody-knows")
    page = open_page()
    assert "0.0% priced, 1 at unknown cost" in text_of(page)
    assert metrics_of(page)["Total cost"] == "cost unknown"
    assert page.dataframe[0].value["Cost"].isna().all()


def test_a_price_that_is_a_plan_is_said_with_what_it_would_be(configured: Database) -> None:
    _use_now(configured, source="groq", model="llama-3.3-70b-versatile", cost_usd=Decimal(0))
    text = text_of(open_page()).replace("\\", "")
    assert "free tier; $0.00015 at list prices" in text
    # In the total, too.
    assert text.count("$0.00015 at list prices") == 2


def test_the_period_is_in_the_link(configured: Database) -> None:
    _use_now(configured)
    page = open_page(days="7d")
    assert "Model comparison, last 7 days" in text_of(page)
    page.button_group(key="days").set_value("90d").run()
    assert "Model comparison, last 90 days" in text_of(page)


def test_any_two_days_may_be_chosen(configured: Database) -> None:
    client_id = factories.client(configured)
    first_call = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for day in range(4):
        factories.insert_usage(
            configured, factories.usage_log(client_id, created_at=first_call + timedelta(days=day))
        )
    configured.fold()
    page = open_page(days="2026-03-03..2026-03-04")

    assert not page.exception
    assert metrics_of(page)["Total tokens"] == "460"
    for text in (
        *("Model comparison, 3 to 4 Mar 2026", "by tokens, 3 to 4 Mar 2026"),
        *("Daily usage, 3 Feb to 4 Mar 2026", "Pale: days before 3 to 4 Mar 2026"),
        *("Weekly evolution, 12 weeks to 4 Mar 2026", "Pale: weeks before 3 to 4 Mar 2026"),
    ):
        assert text in text_of(page)
    assert page.date_input[0].value == (first_call.date() + timedelta(1), first_call.date() + timedelta(2))

    page.date_input[0].set_value((first_call.date(),)).run()
    assert metrics_of(page)["Total tokens"] == "460"

    page.date_input[0].set_value((first_call.date(), first_call.date() + timedelta(3))).run()
    assert not page.exception
    assert metrics_of(page)["Total tokens"] == "920"
    assert page.query_params["days"] == "2026-03-02..2026-03-05"
    assert page.button_group[0].value is None  # the calendar is chosen

    page.button_group[0].set_value("90d").run()
    assert "Model comparison, last 90 days" in text_of(page)


@pytest.mark.parametrize(
    ("days", "grain", "heading", "told"),
    [
        ("30d", None, "Daily usage, last 30 days", ""),
        ("30d", "day", "Daily usage, last 30 days", ""),
        ("30d", "week", "Weekly usage, last 30 days", ""),
        ("7d", "hour", "Hourly usage, last 7 days", "Click an hour"),
        ("7d", "month", "Monthly usage, last 30 days", "Pale: months before"),
        # No room for more than a month of hours.
        ("60d", "hour", "Daily usage, last 60 days", ""),
        ("2026-01-01..2026-06-30", None, "Monthly usage, 1 Jan to 30 Jun 2026", "Click a month"),
        ("2026-01-01..2026-06-30", "week", "Weekly usage, 1 Jan to 30 Jun 2026", "Click a week"),
        ("2026-03-02..2026-03-03", "hour", "Hourly usage, 2 to 3 Mar 2026", "Click an hour"),
    ],
)
def test_bars_have_the_grain_of_the_link(
    configured: Database, days: str, grain: str | None, heading: str, told: str
) -> None:
    client_id = factories.client(configured)
    for moment in (datetime.now(UTC), datetime(2026, 3, 2, 12, tzinfo=UTC)):
        factories.insert_usage(configured, factories.usage_log(client_id, created_at=moment))
    page = open_page(days=days, **({} if grain is None else {"grain": grain}))
    assert not page.exception
    assert heading in text_of(page)
    assert told in text_of(page)


def test_a_grain_that_is_none_ends_the_page_with_a_message(configured: Database) -> None:
    _use_now(configured)
    text = text_of(open_page(grain="year")).replace("\\", "")
    assert 'Grain must be one of hour, day, week, month, not "year"' in text


def test_phones_are_masked_until_asked_for(configured: Database) -> None:
    _use_now(configured, phone="5511987654321")
    page = open_page()
    table = page.dataframe[-1]
    assert table.value["Phone"].tolist() == ["•••• 4321"]
    page.toggle(key="phones").set_value(True).run()
    assert page.dataframe[-1].value["Phone"].tolist() == ["5511987654321"]


@pytest.mark.parametrize("show", ["Tokens", "Cost"])
def test_charts_group_by_anything(configured: Database, show: str) -> None:
    client_id = factories.client(configured)
    with configured.transaction() as connection:
        [(team,)] = connection.execute("select intern_tags(%s, %s)", [client_id, Jsonb({"team": "a"})])
    now = datetime.now(UTC)
    logs = [
        factories.usage_log(
            client_id,
            created_at=now - timedelta(days=3 * number),
            model=f"model-{number}",
            tag_set_id=team,
        )
        for number in range(9)
    ]
    unknown = factories.usage_log(
        client_id, created_at=now, model=None, cost_usd=Decimal(0), cost_basis="unpriced"
    )
    factories.insert_usage(configured, *logs, unknown)
    for group in ("provider", "model", "operation", "outcome", "hour", "tag.team", "tag.$nobody$"):
        page = open_page(by=group, show=show)
        assert not page.exception, group
        assert metrics_of(page)["Total tokens"] == "2.30K"
        assert page.selectbox(key="by").value == group
        assert [name for name in page.selectbox(key="by").options if "team" in name] == ["By tag team"]
    legend = [button.label.replace("\\", "") for button in open_page(by="model", show=show).button]
    assert "Other (3 more)" in legend

    page = open_page(by="tag.", show=show)
    assert "by must be one of provider, model" in page.error[0].value.lower().replace("\\", "")


def test_what_no_call_tells_is_a_filter_too(configured: Database) -> None:
    _use_now(configured)
    page = open_page(by="operation")
    next(each for each in page.button if "not logged" in each.label).click().run()
    assert not page.exception
    assert page.query_params["operation"] == ""
    assert metrics_of(page)["Total tokens"] == "230"


def test_a_client_without_calls_in_the_period_is_told_so(configured: Database) -> None:
    factories.quiet_client(configured, "Quiet Ltd")
    page = open_page()
    assert not page.exception
    assert "No usage, last 30 days" in text_of(page)
    assert metrics_of(page)["Total tokens"] == "0"


def test_a_database_without_clients_says_how_to_begin(configured: Database) -> None:
    page = open_page()
    assert not page.exception
    assert "This database has no client" in text_of(page)
    assert "python -m analytics import" in page.code[1].value


def test_two_clients_are_chosen_by_name_or_id_and_never_mixed(configured: Database) -> None:
    _use_now(configured, "Acme", prompt_tokens=1000, completion_tokens=0)
    other = factories.quiet_client(configured, "Other Ltd")
    assert metrics_of(open_page())["Total tokens"] == "1.00K"
    assert metrics_of(open_page(client="Other Ltd"))["Total tokens"] == "0"
    assert metrics_of(open_page(client=str(other)))["Total tokens"] == "0"


def test_the_first_visit_is_to_a_client_with_calls(configured: Database) -> None:
    factories.client(configured, "Acme")
    _use_now(configured, "Beta")
    factories.client(configured, "Gamma")
    configured.fold()
    page = open_page()
    assert page.selectbox(key="client").value == "Beta"
    assert metrics_of(page)["Total tokens"] == "230"
    assert page.query_params == {}

    page.selectbox(key="client").set_value("Acme").run()
    assert page.query_params == {"client": "Acme"}
    page.selectbox(key="client").set_value("Beta").run()
    assert page.query_params == {"client": "Beta"}


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"days": "abc"}, f'{DAYS_REMEDY}, not "abc"'),
        ({"days": "45d"}, f'{DAYS_REMEDY}, not "45d"'),
        ({"days": ""}, f'{DAYS_REMEDY}, not ""'),
        (
            {"days": "2026-03-31..2026-03-01"},
            "days: 2026-03-31 is after 2026-03-01: give the earlier day first",
        ),
        ({"days": "1999-01-01..1999-12-31"}, "days: 1999-01-01 is not in the years 2000 to 2099"),
        ({"days": "2026-03-31..2100-01-01"}, "days: 2100-01-01 is not in the years 2000 to 2099"),
        ({"days": "2026-02-30..2026-03-01"}, f'{DAYS_REMEDY}, not "2026-02-30..2026-03-01"'),
        ({"show": "<b>"}, 'show must be one of Tokens, Cost, not "<b>"'),
        ({"client": "nobody"}, 'no client is called "nobody", or you may not see it'),
        ({"client": str(uuid4())}, "or you may not see it"),
    ],
)
def test_a_link_that_does_not_work_says_why(configured: Database, link: dict[str, str], message: str) -> None:
    _use_now(configured)
    factories.insert_usage(configured, factories.usage_log(None))  # type: ignore[arg-type]
    page = open_page(**link)
    assert not page.exception
    assert not page.metric
    assert message.lower() in page.error[0].value.lower().replace("\\", "")

    page.button[0].click().run()
    assert metrics_of(page)["Total tokens"] == "230"


def test_a_database_without_migrations_says_what_to_do(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _configure(monkeypatch, empty_database.url)
    page = open_page()
    assert not page.exception
    assert 'run "python -m analytics migrate"' in page.error[0].value.replace("\\", "")


@pytest.mark.parametrize(
    "url", ["postgresql://me:s3cret@127.0.0.1:1/usage", "nonsense", "mysql://me:s3cret@host/usage"]
)
def test_a_wrong_url_says_what_to_do(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    page = open_page()
    assert not page.exception
    assert "No numbers to show" in page.error[0].value
    assert "DATABASE_URL" in page.error[0].value.replace("\\", "")
    assert "s3cret" not in text_of(page)


def test_the_last_good_numbers_stay_while_the_database_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use_now(database)
    with TcpProxy(database.url) as proxy:
        _configure(monkeypatch, proxy.url)
        page = open_page()
        shown = metrics_of(page)
        proxy.stop()

        button(page, "Refresh").click().run()

        assert not page.exception
        assert metrics_of(page) == shown
        assert "The database does not answer" in page.warning[0].value


def test_an_open_page_asks_the_database_once_a_minute(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use_now(database)
    # Whether the database is still there is asked by the process, whatever its pages show.
    monkeypatch.setattr(pulse, "ASK_EVERY_SECONDS", 3_600)
    with TcpProxy(database.url) as proxy:
        _configure(monkeypatch, proxy.url)
        page = open_page()
        asked = proxy.round_trips
        assert asked > 0

        page.run()
        assert proxy.round_trips == asked

        # The most expensive conversations are others than those with the most tokens.
        page.button_group(key="show").set_value("Cost").run()
        assert proxy.round_trips == asked + 1
        page.button_group(key="show").set_value("Tokens").run()
        page.button_group(key="show").set_value("Cost").run()
        assert proxy.round_trips == asked + 1

        button(page, "Refresh").click().run()
        assert proxy.round_trips > asked


def test_what_is_made_of_numbers_is_made_once_for_all_who_see_them() -> None:
    made: list[str] = []

    def reading(client: UUID, loaded_at: datetime) -> Reading[str]:
        def renew(_: datetime) -> Reading[str]:
            return reading(client, loaded_at)

        return Reading(
            value="",
            loaded_at=loaded_at,
            failure=None,
            renew=renew,
            key=("here", ("overview", client), loaded_at),
        )

    def make() -> str:
        made.append("chart")
        return f"chart {len(made)}"

    acme, beta, now = uuid4(), uuid4(), datetime.now(UTC)
    first = reading(acme, now)

    assert first.made("daily", make) == first.made("daily", make) == "chart 1"
    assert first.renew(now).made("daily", make) == "chart 1"
    # Another chart, newer numbers, another client.
    assert first.made("weekly", make) == "chart 2"
    assert reading(acme, now + timedelta(seconds=60)).made("daily", make) == "chart 3"
    assert reading(beta, now).made("daily", make) == "chart 4"


@pytest.mark.parametrize(
    ("link", "rest"),
    [
        ({"client": "Beta", "days": "abc"}, {"client": "Beta"}),
        ({"days": "7d", "show": "nonsense"}, {"days": "7d"}),
        ({"client": "nobody", "days": "7d", "show": "Cost"}, {"days": "7d", "show": "Cost"}),
    ],
)
def test_one_wrong_part_of_a_link_has_a_way_out(
    configured: Database, link: dict[str, str], rest: dict[str, str]
) -> None:
    _use_now(configured, "Acme")
    factories.quiet_client(configured, "Beta")
    page = open_page(**link)
    assert len(page.error) == 1

    button(page, "Go on without it").click().run()
    assert not page.exception
    assert page.query_params == rest
    assert metrics_of(page)["Total tokens"] == ("0" if "client" in rest else "230")


def test_other_spellings_are_put_right_together(configured: Database) -> None:
    _use_now(configured)
    page = open_page(days="7", show="cost")
    assert not page.error
    assert page.button_group(key="days").value == "7d"
    assert page.button_group(key="show").value == "Cost"
    assert "Model comparison, last 7 days" in text_of(page)


def test_a_client_that_disappears_from_an_open_page_leaves_a_way_out(configured: Database) -> None:
    factories.quiet_client(configured, "Acme")
    gone = factories.quiet_client(configured, "Beta")
    page = open_page(client="Beta")
    assert not page.error
    with configured.transaction() as connection:
        connection.execute("delete from usage_logs where client_id = %s", [gone])
        connection.execute("delete from clients where id = %s", [gone])

    button(page, "Refresh").click().run()
    assert (
        'no client is called "beta", or you may not see it' in page.error[0].value.replace("\\", "").lower()
    )

    page.button[0].click().run()
    assert not page.exception


def test_the_first_client_appears_at_the_next_visit(configured: Database) -> None:
    assert "This database has no client" in text_of(open_page())
    _use_now(configured)
    assert metrics_of(open_page())["Total tokens"] == "230"


def test_a_name_that_is_a_phone_is_masked_too(configured: Database) -> None:
    client_id = factories.client(configured)
    conversation_id = factories.conversation(configured, client_id, name="+55 11 98765-4321")
    log = factories.usage_log(
        client_id, conversation_id=conversation_id, phone=None, created_at=datetime.now(UTC)
    )
    factories.insert_usage(configured, log)
    assert open_page().dataframe[-1].value["Conversation"].tolist() == ["•••• 4321"]


def test_namesakes_can_each_be_chosen(configured: Database) -> None:
    first = factories.client(configured, "Acme", id=UUID(int=1))
    factories.quiet_client(configured, "Acme", id=UUID(int=2))
    factories.insert_usage(configured, factories.usage_log(first, created_at=datetime.now(UTC)))
    assert metrics_of(open_page(client=str(UUID(int=1))))["Total tokens"] == "230"
    assert metrics_of(open_page(client=str(UUID(int=2))))["Total tokens"] == "0"


def test_a_filter_that_a_link_repeats_has_all_its_values(configured: Database) -> None:
    client_id = factories.client(configured)
    now = datetime.now(UTC)
    for model, tokens in (("a", 1_000), ("b", 20_000), ("c", 300_000)):
        factories.insert_usage(
            configured, factories.usage_log(client_id, created_at=now, model=model, total_tokens=tokens)
        )
    page = open_page(model=["a", "b"])

    assert metrics_of(page)["Total tokens"] == "21.0K"
    assert [button.label for button in page.button if button.key and button.key.startswith("filter ")] == [
        "Model\\: a\\, b"
    ]
    assert page.query_params == {"model": "a,b"}


def test_filters_that_match_nothing_are_shown_with_a_way_on(configured: Database) -> None:
    _use_now(configured, total_tokens=1_000)
    page = open_page(**{"tag.team!": "", "model": "none"})
    assert metrics_of(page)["Total tokens"] == "0"
    assert "No calls match these filters, last 30 days" in text_of(page)

    [button] = [button for button in page.button if button.label == "Clear filters"]
    button.click().run()
    assert metrics_of(page)["Total tokens"] == "1.00K"
    assert page.query_params == {}
