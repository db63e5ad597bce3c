"""Providers and models under AppTest: numbers that add up, links, states with nothing to show."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from psycopg.types.json import Jsonb
from streamlit.testing.v1 import AppTest

from analytics.database import Database
from tests import factories
from tests.app import open_page, text_of

pytestmark = pytest.mark.usefixtures("cold_caches")

PATH = "pages/providers_and_models.py"
MARCH = "2026-03-01..2026-03-31"
BLANK, MINUS = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}"


@pytest.fixture
def client_id(configured: Database) -> UUID:
    """The one client of the database that the dashboard is configured with."""
    return factories.client(configured)


def use(database: Database, client_id: UUID, day: date, **columns: Any) -> None:
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    factories.insert_usage(database, factories.usage_log(client_id, created_at=at, **columns))


def open_march(**link: str) -> AppTest:
    page = open_page(PATH, days=MARCH, **link)
    assert not page.exception
    return page


def table(page: AppTest) -> list[list[Any]]:
    return what_ifs(page)[0].values.tolist()  # type: ignore[no-any-return]


def what_ifs(page: AppTest) -> list[pd.DataFrame]:
    """The table of what usage would have cost on another model."""
    return [each.value for each in page.dataframe if "As booked" in each.value]


def compared(page: AppTest, place: int = 0) -> pd.DataFrame:
    """All and its providers, or the models: the tables of what changed."""
    return [each.value for each in page.dataframe if "Change" in each.value][place]


def rows_of(frame: pd.DataFrame, *columns: str) -> list[list[Any]]:
    """The rows with a dash for what is missing."""
    return [["-" if pd.isna(cell) else cell for cell in row] for row in frame[[*columns]].values.tolist()]


def by_operation(page: AppTest) -> pd.DataFrame:
    """The table of operations."""
    [frame] = [each.value for each in page.dataframe if "Operation" in each.value]
    return frame


def by_value(page: AppTest) -> pd.DataFrame:
    """The table of a tag's values."""
    [found] = [each.value for each in page.dataframe if "Value" in each.value]
    return found


def test_models_add_up_to_providers_and_those_to_the_total(database: Database, client_id: UUID) -> None:
    for day, model in ((5, "gpt-4"), (6, "gpt-4"), (7, "gpt-4o")):
        use(database, client_id, date(2026, 3, day), model=model)
    use(database, client_id, date(2026, 3, 8), source="groq", model="llama", cost_usd=Decimal(0))
    use(database, client_id, date(2026, 2, 27), cost_usd=Decimal("0.0186"))
    use(database, client_id, date(2026, 2, 27), source="whisper", model="whisper-1")
    use(database, client_id, date(2026, 1, 1))
    page = open_march()

    text = text_of(page).replace("\\", "").replace(BLANK, " ")
    assert "## 1 to 31 Mar 2026 compared with 29 Jan to 28 Feb 2026" in text
    assert "**+460 tokens (+100%)**: more calls +460." in text
    assert (
        "**gpt-4** :gray[OpenAI] +230 tokens: 2.0\N{MULTIPLICATION SIGN} calls, same tokens per call" in text
    )
    assert "**gpt-4o** :gray[OpenAI] +230 tokens: new, 1 call" in text
    assert f"**whisper-1** :gray[Whisper] {MINUS}230 tokens: gone, 1 call before" in text
    columns: tuple[str, ...] = ("Provider", "Models", "Tokens", "Tokens before", "Change", "More calls")
    assert rows_of(compared(page), *columns) == [
        ["All", f"4{BLANK}models", 920, 460, 460, 460],
        ["OpenAI", f"2{BLANK}models", 690, 230, 460, 460],
        ["Groq", f"1{BLANK}model", 230, 0, 230, 230],
        ["Whisper", f"1{BLANK}model", 0, 230, -230, -230],
    ]
    assert rows_of(compared(page, 1), "Model", "Tokens", "Tokens before", "Change") == [
        ["gpt-4", 460, 230, 230],
        ["llama", 230, 0, 230],
        ["gpt-4o", 230, 0, 230],
        ["whisper-1", 0, 230, -230],
    ]
    numbers = open_march(columns="now and before")
    columns = ("Model", "Tokens", "Cost", "Requests", "Requests before", "per request", "per 1K tokens")
    [_, models] = [each.value for each in numbers.dataframe if "Requests before" in each.value]
    assert rows_of(models, *columns)[0] == ["gpt-4", 460, 0.0186, 2, 1, 230, pytest.approx(0.0404, abs=1e-4)]
    assert rows_of(models, *columns)[3] == ["whisper-1", 0, 0, 0, 1, "-", "-"]

    by_cost = open_march(show="Cost")
    columns = ("Cost", "Cost before", "Change", "More calls", "Longer calls", "Dearer calls", "Other mix")
    [total, *providers] = rows_of(compared(by_cost), *columns)
    assert total[:3] == [0.0279, 0.0279, 0]
    assert sum(total[3:]) == pytest.approx(0, abs=1e-12)
    assert [sum(row[column] for row in providers) for column in (0, 1, 2)] == pytest.approx(total[:3])
    models = rows_of(compared(by_cost, 1), "Change", "More calls", "Longer calls", "Dearer calls")
    assert sorted(row[0] for row in models) == [-0.0093, 0, 0, 0.0093]
    for change, *parts in models:
        assert sum(parts) == pytest.approx(change)
    # Twice the calls at half the price.
    assert models[[row[1] > 0 and row[3] < 0 for row in models].index(True)] == [0, 0.01395, 0, -0.01395]


def test_many_models_are_twenty_and_the_rest_and_each_is_found(database: Database, client_id: UUID) -> None:
    with database.transaction() as connection:
        connection.execute(
            "insert into usage_logs (client_id, source, model, total_tokens, cost_usd, created_at)"
            " select %s, 'openai', 'm' || n, n, 0, '2026-03-05' from generate_series(1, 300) as n",
            [client_id],
        )
    use(database, client_id, date(2026, 1, 1), model="m1", total_tokens=1)
    page = open_march()
    models = compared(page, 1)
    assert (len(models), models["Model"].tolist()[0]) == (21, "m300")
    assert models["Model"].tolist()[-1] == "(280 more models)"
    assert models["Tokens"].sum() == 300 * 301 // 2
    assert models["Change"].sum() == compared(page)["Change"].tolist()[0]

    page.toggle(key="models").set_value(True).run()
    assert page.query_params["models"] == "all"
    assert len(compared(page, 1)) == 300
    page.text_input(key="find").set_value("M29").run()
    assert page.query_params["find"] == "M29"
    assert compared(page, 1)["Model"].tolist() == [f"m{number}" for number in (*range(299, 289, -1), 29)]
    page.text_input(key="find").set_value("duck").run()
    assert "No model is called like “duck”." in text_of(page)
    assert not page.exception


def test_what_is_measured_ranks_models_and_operations(database: Database, client_id: UUID) -> None:
    use(database, client_id, date(2026, 3, 5), source="groq", total_tokens=900, cost_usd=Decimal("0.1"))
    for model, tokens, cost in (("long", 800, "1"), ("dear", 5, "200000")):
        use(
            *(database, client_id, date(2026, 3, 6)),
            **{"model": model, "total_tokens": tokens, "cost_usd": Decimal(cost)},
            metadata={"operation": model},
        )
    by_tokens, by_cost = open_march(), open_march(show="Cost")
    assert compared(by_tokens, 1)["Model"].tolist() == ["gpt-4", "long", "dear"]
    assert compared(by_cost, 1)["Model"].tolist() == ["dear", "long", "gpt-4"]
    assert by_cost.dataframe[0].value.columns[1] == "Cost"
    assert by_operation(by_tokens)["Operation"].tolist() == ["(not logged)", "long", "dear"]
    assert by_operation(by_cost)[["Operation", "Cost"]].values.tolist() == [
        *(["dear", 200_000.0], ["long", 1.0], ["(not logged)", 0.1])
    ]


def test_a_cost_that_is_not_known_is_no_zero_and_has_no_change(database: Database, client_id: UUID) -> None:
    use(database, client_id, date(2026, 3, 5))
    use(database, client_id, date(2026, 2, 27), cost_usd=Decimal("0.003"))
    for day in (date(2026, 3, 5), date(2026, 2, 27)):
        use(database, client_id, day, model="own", cost_usd=Decimal(0), cost_basis="unpriced")
    use(database, client_id, date(2026, 1, 1))
    page = open_march(show="Cost")

    assert rows_of(compared(page), "Provider", "Cost", "Cost before", "Change") == [
        ["All", 0.0093, 0.003, "-"],
        ["Known costs", 0.0093, 0.003, 0.0063],
    ]
    assert rows_of(compared(page, 1), "Model", "Cost", "Cost before", "Change") == [
        ["gpt-4", 0.0093, 0.003, 0.0063],
        ["own", "-", "-", "-"],
    ]
    text = text_of(page)
    assert "of the 1\N{NO-BREAK SPACE}model whose cost is known: dearer calls" in text.replace("\\", "")
    assert "No change is shown where a cost is unknown." in text
    assert "Cost (USD), without calls that have no price" in text


@pytest.mark.parametrize(
    ("asked", "window"),
    [
        ("Days before", "29 Jan to 28 Feb 2026"),
        ("same days last month", "1 to 28 Feb 2026"),
        ("2026-02-10..2026-02-12", "10 to 12 Feb 2026"),
    ],
)
def test_the_other_days_are_in_the_link(database: Database, client_id: UUID, asked: str, window: str) -> None:
    use(database, client_id, date(2026, 3, 5))
    assert f"1 to 31 Mar 2026 compared with {window}" in text_of(open_march(**{"with": asked}))


@pytest.mark.parametrize(
    ("days", "window"),
    [
        ("2026-02-01..2026-02-28", "28 Feb 2026 compared with 1 to 31 Jan 2026"),
        ("2026-03-01..2026-03-30", "30 Mar 2026 compared with 1 to 28 Feb 2026"),
        ("2026-03-05..2026-03-31", "31 Mar 2026 compared with 5 to 28 Feb 2026"),
        ("2026-01-01..2026-01-31", "31 Jan 2026 compared with 1 to 31 Dec 2025"),
    ],
)
def test_same_days_last_month(database: Database, client_id: UUID, days: str, window: str) -> None:
    use(database, client_id, date.fromisoformat(days[:10]))
    page = open_page(PATH, days=days, **{"with": "Same days last month"})
    assert not page.exception
    assert window in text_of(page)


def test_any_two_days_can_be_picked_to_compare_with(database: Database, client_id: UUID) -> None:
    use(database, client_id, date(2026, 1, 2))
    use(database, client_id, date(2026, 3, 5))
    database.fold()
    page = open_march()
    picker = page.date_input[-1]

    picker.set_value((date(2026, 1, 2),)).run()
    assert not page.exception
    assert "compared with 29 Jan to 28 Feb 2026" in text_of(page)

    page.date_input[-1].set_value((date(2026, 1, 2), date(2026, 1, 3))).run()
    assert not page.exception
    assert "compared with 2 to 3 Jan 2026" in text_of(page)
    assert page.query_params["with"] == "2026-01-02..2026-01-03"
    assert rows_of(compared(page), "Tokens", "Tokens before") == [[230, 230]]
    assert "No change is shown: data begin on 2 Jan 2026." in text_of(page)


def test_days_that_both_periods_have_are_told(database: Database, client_id: UUID) -> None:
    use(database, client_id, date(2026, 3, 5))
    overlapping = open_march(**{"with": "2026-03-31..2026-03-31"})
    assert "The two periods overlap" in text_of(overlapping)
    assert "The two periods overlap" not in text_of(open_march(**{"with": "2026-02-01..2026-02-28"}))


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"with": "nonsense"}, 'with must be Days before, Same days last month or'),
        ({"with": "2026-03-31..2026-03-01"}, "with: 2026-03-31 is after 2026-03-01: give the earlier day"),
        ({"with": "1999-01-01..1999-01-02"}, "with: 1999-01-01 is not in the years 2000 to 2099"),
        ({"with": "2026-02-30..2026-03-01"}, 'not "2026-02-30..2026-03-01"'),
        ({"grain": "year"}, 'grain must be one of hour, day, week, month, not "year"'),
        ({"by": "<b>"}, 'by must be one of provider, model, operation, outcome, hour, weekday, or tag. and'),
        ({"target": "acme/<b>"}, 'no model with a price is called "acme/<b>"; choose one from the list'),
    ],
)  # fmt: skip
def test_a_link_that_does_not_work_says_why(
    database: Database, client_id: UUID, link: dict[str, str], message: str
) -> None:
    use(database, client_id, date(2026, 3, 5))
    page = open_march(**link)
    assert message.lower() in page.error[0].value.lower().replace("\\", "")

    next(button for button in page.button if button.label == "Go on without it").click().run()
    assert not page.exception
    assert not page.error
    assert page.button_group(key="days").value is None  # the calendar is chosen
    assert "Calls by operation, 1 to 31 Mar 2026" in text_of(page)


def test_the_first_day_of_the_calendar_has_none_before(database: Database, client_id: UUID) -> None:
    use(database, client_id, date(2026, 3, 5))
    for other in ("Days before", "Same days last month"):
        page = open_page(PATH, days="2000-01-01..2000-01-02", **{"with": other})
        assert not page.exception
        assert "No usage" in text_of(page)


def test_the_grain_is_in_the_link_and_outer_buckets_that_are_not_whole_are_told(
    database: Database, client_id: UUID
) -> None:
    use(database, client_id, date(2026, 3, 5))
    text = text_of(open_march(grain="week"))
    assert "Usage per week, 1 to 31 Mar 2026" in text
    assert "The first week counts only from 1 Mar 2026." in text
    assert "The last week counts only up to 31 Mar 2026." in text

    text = text_of(open_march(grain="month"))
    assert "Usage per month" in text
    assert "counts only" not in text
    assert "Today is not over" not in text

    page = open_page(PATH, days="2026-03-02..2026-03-05", grain="Month")
    assert "The month counts only these days." in text_of(page)


def test_a_day_that_is_not_over_is_told(database: Database, client_id: UUID) -> None:
    use(database, client_id, datetime.now(UTC).date())
    page = open_page(PATH)
    assert not page.exception
    assert "Today is not over." in text_of(page)


def test_what_if_everything_ran_on_one_model(database: Database, client_id: UUID) -> None:
    use(database, client_id, date(2026, 3, 5), model="gpt-4o-mini", cost_usd=Decimal("0.01"))
    use(database, client_id, date(2026, 3, 5), model="own", cost_usd=Decimal(0), cost_basis="unpriced")
    use(
        database, client_id, date(2026, 3, 6), source="whisper", model="whisper-1", prompt_tokens=0,
        completion_tokens=0, total_tokens=40, cost_usd=Decimal("0.003"), metadata={"duration_seconds": 30},
    )  # fmt: skip
    page = open_march(target="OpenAI/gpt-4")
    assert page.selectbox(key="target").value == "openai/gpt-4"
    assert table(page) == [
        ["Total of these", 0.01, 0.0093, -0.0007, 0.93, 230],
        ["OpenAI gpt-4o-mini", 0.01, 0.0093, -0.0007, 0.93, 230],
    ]
    text = text_of(page).replace("\\", "").replace(MINUS, "-")
    assert "**$0.0093** at openai/gpt-4 instead of **$0.010** as booked: -$0.00070 (-7.0%)" in text
    assert "By the installation's price of gpt-4." in text
    assert f"Left out of all sums above: 2{BLANK}calls, booked with ≥ $0.0030." in text
    assert (
        f"**OpenAI own**: none of its calls has a booked cost :gray[(1{BLANK}call, at unknown cost)]" in text
    )
    assert (
        "**Whisper whisper-1**: calls for transcription, and gpt-4 is a model for chat and text "
        f":gray[(1{BLANK}call, booked with $0.0030)]"
    ) in text

    page.selectbox(key="target").set_value("whisper/whisper-1").run()
    assert not page.exception
    assert table(page)[1] == ["Whisper whisper-1", 0.003, 0.003, 0, 1, 40, 0.5]


def test_a_name_with_a_dollar_is_escaped_once(database: Database, client_id: UUID) -> None:
    with database.transaction() as connection:
        connection.execute(
            "insert into model_prices (source, model, input_usd) values ('own', '$a$', 1), ('own', 'b', 1)"
        )
    use(database, client_id, date(2026, 3, 5), source="own", model="$a$")
    for target in ("own/$a$", "own/b"):
        page = open_march(target=target)
        # One backslash before each dollar: two are a backslash to see, and the dollar begins a formula.
        text = text_of(page)
        assert not re.search(r"(?<!\\)(\\\\)*\$", text), text


def test_what_if_begins_with_the_model_that_is_used_most_and_costs_something(
    database: Database, client_id: UUID
) -> None:
    use(database, client_id, date(2026, 3, 5), source="groq", model="llama-3.3-70b-versatile",
        prompt_tokens=5000, cost_usd=Decimal(0))  # fmt: skip
    use(database, client_id, date(2026, 3, 5), model="gpt-4o-mini")
    use(database, client_id, date(2026, 3, 5), model="gpt-4", prompt_tokens=1)
    assert open_march().selectbox(key="target").value == "openai/gpt-4o-mini"


def test_nothing_that_could_be_priced_there(database: Database, client_id: UUID) -> None:
    use(database, client_id, date(2026, 3, 5))
    page = open_march(target="whisper/whisper-1")
    assert "Nothing used in these days has a price at whisper/whisper-1" in text_of(page).replace("\\", "")
    assert not what_ifs(page)


def test_hours_are_those_of_the_client(database: Database, client_id: UUID) -> None:
    with database.transaction() as connection:
        connection.execute("update clients set timezone = 'Asia/Kolkata'")
    use(database, client_id, date(2026, 3, 5))
    use(database, client_id, date(2026, 3, 6), prompt_tokens=1)
    text = text_of(open_march())
    assert f"Busiest: Thu 17:00 with 230{BLANK}tokens" in text
    assert "Hours are in Asia/Kolkata." in text
    assert "Sums, not averages: Sun to Tue occur 5 times, the others 4." in text


def test_calls_by_operation(database: Database, client_id: UUID) -> None:
    use(database, client_id, date(2026, 3, 5), metadata={"operation": "chat"})
    use(database, client_id, date(2026, 3, 5), metadata={"operation": "chat"})
    use(database, client_id, date(2026, 3, 5))
    rows = by_operation(open_march()).values.tolist()
    assert [row[:3] for row in rows] == [["chat", 460, 2], ["(not logged)", 230, 1]]
    assert [row[3] for row in rows] == pytest.approx([200 / 3, 100 / 3])
    assert [row[4] for row in rows] == [0.0186, 0.0093]


def test_that_no_call_says_its_operation_is_told(database: Database, client_id: UUID) -> None:
    use(database, client_id, date(2026, 3, 5))
    page = open_march()
    assert "No call of these days has an operation." in text_of(page)
    assert len(what_ifs(page)) == 1


def test_a_period_without_calls_is_told_and_what_is_gone_is_shown(
    database: Database, client_id: UUID
) -> None:
    use(database, client_id, date(2026, 1, 1))
    page = open_march()
    assert "**No usage, 1 to 31 Mar 2026.** Acme made no calls from 1 Mar 2026 to 31 Mar 2026." in (
        text_of(page)
    )
    assert not what_ifs(page)

    use(database, client_id, date(2026, 2, 27))
    next(button for button in page.button if button.label == "Refresh").click().run()
    assert not page.exception
    assert "No usage" in text_of(page)
    assert rows_of(compared(page), "Tokens", "Tokens before") == [[0, 230]]
    assert "What if" not in text_of(page)


def test_a_models_name_is_no_markdown(database: Database, client_id: UUID) -> None:
    name = "**bold** [x](https://example.com) $a$"
    use(database, client_id, date(2026, 1, 1))
    use(database, client_id, date(2026, 3, 5), model=name)
    page = open_march()
    assert compared(page, 1)["Model"].tolist() == [name]
    [told] = [each for each in text_of(page).splitlines() if "new, 1" in each]
    assert "**bold**" not in told
    assert "[x]" not in told
    assert f"**{name}** :gray[OpenAI] +230" in told.replace("\\", "").replace("\N{WORD JOINER}", "")


def tagged(database: Database, client_id: UUID, **tags: str) -> int:
    """The id of a set of tags."""
    with database.transaction() as connection:
        found = connection.execute("select intern_tags(%s, %s)", [client_id, Jsonb(tags)]).fetchone()
    return int(found[0]) if found else 0


def test_usage_by_tag_adds_up_to_all_usage(database: Database, client_id: UUID) -> None:
    search, chat = (tagged(database, client_id, feature=name, team="core") for name in ("search", "=chat"))
    for tag_set_id, columns in (
        (search, {}),
        (search, {"cost_usd": Decimal(0), "cost_basis": "unpriced"}),
        (chat, {"cost_usd": Decimal(1)}),
        (0, {}),
        (None, {}),
    ):
        use(database, client_id, date(2026, 3, 5), tag_set_id=tag_set_id, **columns)
    page = open_march(tag="feature")

    assert page.selectbox(key="tag").value == "feature"
    assert set(page.selectbox(key="tag").options) == {"feature", "team"}
    shown = by_value(page)
    assert shown["Value"].tolist() == [
        *("search", "\N{WORD JOINER}=chat", "(without this tag)", "(other: too many tags to keep apart)")
    ]
    assert shown["Tokens"].tolist() == [460, 230, 230, 230]
    assert shown["Requests"].tolist() == [2, 1, 1, 1]
    assert shown["No price"].tolist() == [1, 0, 0, 0]
    text = text_of(page).replace("\\", "")
    assert f"Together 5{BLANK}calls, 1,150{BLANK}tokens and ≥{BLANK}$1.03" in text

    by_cost = by_value(open_march(tag="feature", show="Cost"))
    assert by_cost["Value"].tolist()[0] == "\N{WORD JOINER}=chat"
    assert by_cost["Share"].sum() == pytest.approx(100)

    page.selectbox(key="tag").set_value("team").run()
    assert page.query_params["tag"] == "team"
    assert by_value(page)["Tokens"].tolist() == [690, 230, 230]


def test_keys_and_values_of_tags_are_anybodys_text(database: Database, client_id: UUID) -> None:
    key = "**k** <b> $a$ '; drop table usage_logs; --"
    use(database, client_id, date(2026, 3, 5), tag_set_id=tagged(database, client_id, **{key: "<b>[x](y)"}))
    page = open_march()
    assert page.selectbox(key="tag").value == key
    assert by_value(page)["Value"].tolist() == ["<b>[x](y)"]

    for unknown in (key + "x", "%_", "🦆"):
        page = open_march(tag=unknown)
        assert by_value(page)["Value"].tolist() == ["(without this tag)"]
        assert "No call of these days has the tag" in text_of(page)
    for refused in ("x" * 201, "a\0b"):
        page = open_march(tag=refused)
        assert "tag must be the key of a tag" in page.error[0].value.replace("\\", "").lower()


def test_tags_that_are_phones_are_masked(database: Database, client_id: UUID) -> None:
    phone = "5511987654321"
    use(
        *(database, client_id, date(2026, 3, 5)),
        tag_set_id=tagged(database, client_id, **{"user": phone, phone: "x"}),
    )
    page = open_march()
    assert page.selectbox(key="tag").options == ["user"]
    assert by_value(page)["Value"].tolist() == ["•••• 4321"]

    page = open_march(tag=phone)
    assert by_value(page)["Value"].tolist() == ["(without this tag)"]


def test_many_values_of_a_tag_are_summed_up_from_a_thousand_on(database: Database, client_id: UUID) -> None:
    with database.transaction() as connection:
        connection.execute(
            "insert into tag_sets (client_id, id, tags) select %s, n, jsonb_build_object('id', n::text)"
            " from generate_series(1, 1002) as n",
            [client_id],
        )
        connection.execute(
            "insert into usage_logs (client_id, source, total_tokens, cost_usd, tag_set_id, created_at)"
            " select client_id, 'openai', (tags ->> 'id')::integer, 1, id, '2026-03-05' from tag_sets"
        )
    shown = by_value(open_march())
    assert len(shown) == 1001
    assert shown["Value"].tolist()[-1] == f"(2{BLANK}more values)"
    assert shown["Tokens"].tolist()[-1] == 1 + 2
    assert shown["Tokens"].sum() == 1002 * 1003 // 2
    # The last row leads there, and the first one of these back.
    rest = by_value(open_march(values="1000"))
    assert rest["Value"].tolist() == [f"(1,000{BLANK}earlier values)", "2", "1"]
    assert rest["Tokens"].sum() == shown["Tokens"].sum()
    assert len(by_value(open_march(values="5000"))) == 3
    refused = open_march(values="7").error[0].value.replace("\\", "")
    assert 'Values must be a multiple of 1,000, not "7"' in refused


def test_calls_without_tags_say_how_to_tag(database: Database, client_id: UUID) -> None:
    use(database, client_id, date(2026, 3, 5))
    page = open_march()
    assert "No call of these days has tags." in text_of(page)
    assert "usage_context(tags=" in text_of(page)
