"""Prices under AppTest: what is shown to whom, and a price that is previewed, saved and ended."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from streamlit.testing.v1 import AppTest

from analytics.corrections import apply_correction, select_calls
from analytics.database import Database, Query
from analytics.days import Days
from analytics.formatting import NO_BREAK_SPACE
from tests import factories
from tests import test_price_switch as switched
from tests.app import button, open_page, text_of

pytestmark = pytest.mark.usefixtures("cold_caches")

PAGE = "pages/prices.py"
PUBLIC = {"access": {"public_client": "Acme"}}


@pytest.fixture
def acme(configured: Database) -> UUID:
    """A client of the database that the dashboard is configured with; it used a model that no list has."""
    client_id = factories.client(configured)
    now = {"created_at": datetime.now(UTC)}
    factories.insert_usage(
        configured,
        factories.usage_log(client_id, **now),
        factories.usage_log(client_id, model="gpt-3.5-turbo", **now),
        factories.usage_log(
            client_id, source="own", model="new-1", cost_usd=Decimal(0), cost_basis="unpriced", **now
        ),
    )
    return client_id


def _fill(page: AppTest, **texts: str) -> None:
    for widget in page.text_input:
        for name, text in texts.items():
            if widget.label.lower().startswith(name):
                widget.set_value(text)


def _own_prices(database: Database) -> list[tuple[Any, ...]]:
    [rows] = database.read(
        Query(statement="select client_id, input_usd, output_usd from model_prices where source = 'own'")
    )
    return list(rows.records)


def _booked(database: Database) -> list[Any]:
    [rows] = database.read(Query(statement="select cost_usd from usage_logs order by cost_usd, id"))
    return [cost for (cost,) in rows.records]


def test_models_in_use_with_the_price_that_applies(acme: UUID) -> None:
    page = open_page(PAGE)

    assert not page.exception
    assert page.warning[0].value.startswith(
        r"**1 call without a price**: own new\-1".replace(" call", "\xa0call")
    )
    models = page.dataframe[0].value.set_index("Model")
    assert models["Price list"].to_dict() == {
        "new-1": "No price",
        "gpt-4": "Installation's",
        "gpt-3.5-turbo": "Installation's",
    }
    turbo = models.loc["gpt-3.5-turbo"]
    assert turbo[["Input", "Output", "Public input", "Public output"]].tolist() == [1.5, 2.0, 0.5, 1.5]
    assert turbo["Ours / public"] == "3\N{MULTIPLICATION SIGN} / 1.33\N{MULTIPLICATION SIGN}"
    assert models["Ours / public"].isna().to_dict() == {"new-1": True, "gpt-4": True, "gpt-3.5-turbo": False}


def test_an_unpriced_model_gets_a_price_after_a_preview(database: Database, acme: UUID) -> None:
    booked = _booked(database)
    page = open_page(PAGE)

    _fill(page, input="2", output="3")
    button(page, "Preview the effect").click()
    page.run()

    assert _own_prices(database) == []
    effect = page.dataframe[3].value
    # What is not known is no 0, and nothing differs from it.
    assert effect[["Model", "Repriced"]].values.tolist() == [["new-1", 0.00054]]
    assert effect[["Booked", "Difference"]].isna().all(axis=None)
    assert "Booked cost unknown, repriced \\$0.00054; 1\N{NO-BREAK SPACE}call would change." in text_of(page)

    button(page, "Save this price").click()
    page.run()

    assert not page.exception
    assert _own_prices(database) == [(acme, Decimal(2), Decimal(3))]
    assert page.success[0].value.startswith("Saved")
    assert page.dataframe[0].value.set_index("Model").loc["new-1", "Price list"] == "This client's"
    # Until somebody reprices them.
    assert _booked(database) == booked


def test_a_clients_name_is_no_picture(database: Database, acme: UUID) -> None:
    factories.client(database, "![x](http://elsewhere.invalid/x.png) $1$")
    page = open_page(PAGE, client="![x](http://elsewhere.invalid/x.png) $1$")

    [owner] = [group for group in page.button_group if group.label == "For"]
    assert "![" not in owner.options[0]
    assert owner.options[0].endswith(r"\.png\) \$1\$")


def test_what_is_no_amount_is_refused(database: Database, acme: UUID) -> None:
    page = open_page(PAGE)

    _fill(page, input="cheap", output="3")
    button(page, "Preview the effect").click()
    page.run()

    assert "must be US dollars such as" in page.error[0].value
    assert not [button for button in page.button if button.label == "Save this price"]


def test_a_price_is_ended_and_stays(database: Database, acme: UUID) -> None:
    with database.transaction() as connection:
        connection.execute(
            "insert into model_prices (client_id, source, model, input_usd) values (%s, 'own', 'new-1', 5)",
            [acme],
        )
    page = open_page(PAGE)
    [choice] = [box for box in page.selectbox if box.label == "Price"]
    assert len(choice.options) == 6

    choice.select_index(0)
    page.run()
    button(page, "End this price").click()
    page.run()

    assert page.success[0].value.startswith("Ended")
    assert page.dataframe[0].value.set_index("Model").loc["new-1", "Price list"] == "No price"
    assert len(_own_prices(database)) == 1
    page.toggle[0].set_value(True)
    page.run()
    assert page.dataframe[2].value["State"].tolist().count("Ended") == 1


def test_the_public_list_is_used_after_a_preview_and_the_guides_again(database: Database, acme: UUID) -> None:
    factories.insert_usage(
        database,
        factories.usage_log(
            acme,
            source="groq",
            model="llama-3.3-70b-versatile",
            cost_usd=Decimal(0),
            created_at=datetime.now(UTC),
        ),
    )
    before, booked = switched.rows(database), _booked(database)
    page = open_page(PAGE)

    text = text_of(page).replace("\\", "")
    assert "## The guide's list is in use" in text
    assert "**Groq is free in it, as on Groq's free plan.**" in text
    # gpt-3.5-turbo was booked with gpt-4's price.
    assert "**$0.00035 at list prices**, booked with **$0.0093**" in text
    lines = page.dataframe[1].value.set_index("Model")
    # By the amounts, which they sort by; they show "free" and "$0.00015".
    amounts = lines.loc["llama-3.3-70b-versatile", ["Booked", "At list prices"]].tolist()
    assert amounts == [0, pytest.approx(0.0001517)]

    button(page, "Preview the switch").click()
    page.run()
    assert switched.rows(database) == before
    effect = page.dataframe[2].value.set_index("Model")
    assert effect.loc["llama-3.3-70b-versatile", "Repriced"] == pytest.approx(0.0001517)

    button(page, "Use the public list").click()
    page.run()
    assert not page.exception
    assert "on, the public list applies" in page.success[0].value
    assert "## The public list is in use" in text_of(page)
    assert page.dataframe[0].value.set_index("Model").loc["gpt-4", "Price list"] == "Public"
    assert _booked(database) == booked

    button(page, "Preview the switch").click()
    page.run()
    button(page, "Use the guide's list").click()
    page.run()
    assert not page.exception
    assert "## The guide's list is in use" in text_of(page)
    assert switched.rows(database) == before


def test_a_corrected_public_price_names_its_source(database: Database, acme: UUID) -> None:
    factories.insert_usage(
        database, factories.usage_log(acme, model="gpt-4o-transcribe", created_at=datetime.now(UTC))
    )
    text = text_of(open_page(PAGE)).replace("\\", "")

    assert "The public list is corrected for gpt-4o-transcribe: audio costs what other input does" in text
    assert "](https://developers.openai.com/api/docs/models/gpt-4o-transcribe), read on " in text


def test_viewers_see_all_and_change_nothing(acme: UUID) -> None:
    page = open_page(PAGE, secrets=PUBLIC)

    assert "Only administrators of this client can change prices" in text_of(page)
    assert [button.label for button in page.button if "price" in button.label.lower()] == []
    assert not {"Preview the effect", "Preview the switch"} & {button.label for button in page.button}
    assert "## The guide's list is in use" in text_of(page)
    assert len(page.dataframe) == 3


def corrections_of(page: AppTest) -> list[dict[str, Any]]:
    """The rows of the list of corrections; none where there is no such list."""
    found = [each.value for each in page.dataframe if "Corrected" in each.value]
    return found[0].to_dict("records") if found else []


def labels(page: AppTest) -> list[str]:
    return [each.label.replace(NO_BREAK_SPACE, " ") for each in page.button]


def test_calls_are_repriced_after_a_preview_and_the_correction_is_undone(
    database: Database, acme: UUID
) -> None:
    before = _booked(database)
    page = open_page(PAGE)
    assert corrections_of(page) == []
    button(page, "Compare now").click()
    page.run()

    table = page.dataframe[3].value.set_index("Model")
    # 150 tokens at 1.5 and 80 at 2 dollars a million, booked with gpt-4's price.
    assert table.loc["gpt-3.5-turbo", ["Booked", "Repriced"]].tolist() == [0.0093, 0.000385]
    assert table.loc["gpt-4", "Difference"] == 0
    assert _booked(database) == before

    # Without a reason nothing is changed.
    button(page, f"Correct 1{NO_BREAK_SPACE}call").click()
    page.run()
    assert "a correction is kept with a reason" in page.error[0].value.lower().replace("\\", "")
    assert _booked(database) == before

    [reason] = [each for each in page.text_input if each.label == "Why are they corrected?"]
    reason.set_value("the contract of *October*")
    button(page, f"Correct 1{NO_BREAK_SPACE}call").click()
    page.run()
    assert not page.exception
    told = page.success[0].value.replace("\\", "").replace(NO_BREAK_SPACE, " ")
    assert told.startswith("**Corrected 1 call from $0.0093 to $0.00038.**")
    assert Decimal("0.000385") in _booked(database)
    assert not [label for label in labels(page) if label.startswith("Correct ")]
    [row] = corrections_of(page)
    assert (row["Calls"], row["Before"], row["After"]) == (1, 0.0093, 0.000385)
    assert (row["Why"], row["By"]) == (
        "the contract of *October*", "an administrator at the dashboard's machine"
    )  # fmt: skip

    [choice] = [each for each in page.selectbox if each.label == "Undo a correction"]
    choice.select_index(0)
    page.run()
    button(page, "Undo it").click()
    page.run()
    assert not page.exception
    told = page.success[0].value.replace(NO_BREAK_SPACE, " ")
    assert told == "**Undone: 1 call cost again what they did before.**"
    assert _booked(database) == before
    assert "by an administrator" in corrections_of(page)[0]["Undone"]
    assert "Undo it" not in labels(page)


def test_only_administrators_correct_and_see_who_did(database: Database, acme: UUID) -> None:
    apply_correction(
        database,
        select_calls(database, "Acme", Days.until(datetime.now(UTC).date(), 2), model="gpt-3.5-turbo"),
        by="ana@example.com",
        reason="x",
    )
    factories.insert_usage(
        database, factories.usage_log(acme, cost_usd=Decimal(1), created_at=datetime.now(UTC))
    )
    page = open_page(PAGE, secrets=PUBLIC)
    button(page, "Compare now").click()
    page.run()

    assert not page.exception
    assert "Administrators of this client can correct booked costs." in text_of(page)
    assert not [label for label in labels(page) if label.startswith(("Correct ", "Undo"))]
    assert corrections_of(page) == []


@pytest.mark.parametrize(
    ("link", "models", "told"),
    [
        ({"provider": "openai"}, ["gpt-3.5-turbo", "gpt-4"], "Only calls of openai"),
        ({"model": "gpt-4", "provider": "openai"}, ["gpt-4"], "Only calls of openai gpt-4"),
        (
            {"model!": "gpt-4", "provider": "openai"},
            ["gpt-3.5-turbo", "gpt-4"],
            "The filter by model does not hold here: these are all calls of openai.",
        ),
        (
            {"outcome": "ok"},
            ["gpt-3.5-turbo", "gpt-4", "new-1"],
            "The filter by outcome does not hold here: these are all calls of the days.",
        ),
    ],
)
def test_filters_that_a_correction_can_hold_to_limit_it_and_others_are_told(
    acme: UUID, link: dict[str, str], models: list[str], told: str
) -> None:
    page = open_page(PAGE, **link)
    button(page, "Compare now").click()
    page.run()

    assert not page.exception
    assert told in text_of(page).replace("\\", "")
    [compared] = [each.value for each in page.dataframe if "Repriced" in each.value]
    assert sorted(compared["Model"]) == models


def test_the_overview_leads_administrators_here_with_its_days_and_filters(
    database: Database, acme: UUID
) -> None:
    def links(**how: Any) -> list[Any]:
        page = open_page(days="7d", model="new-1", **how)
        assert not page.exception
        return [each.proto for each in page.get("page_link") if each.proto.label.startswith("Reprice")]

    [link] = links()
    assert link.page == "prices"
    assert sorted(link.query_string.split("&")) == ["days=7d", "model=new-1"]
    assert link.label.replace(NO_BREAK_SPACE, " ") == "Reprice these calls: 1 call without a price"
    assert links(secrets=PUBLIC) == []

    with database.transaction() as connection:
        connection.execute("delete from usage_logs where cost_basis = 'unpriced'")
        connection.execute("delete from usage_logs where model = 'gpt-3.5-turbo'")
    button(open_page(), "Refresh").click().run()
    assert links() == []


def test_days_without_calls_have_nothing_to_compare(acme: UUID) -> None:
    page = open_page(PAGE, days="2026-01-01..2026-01-02")
    button(page, "Compare now").click()
    page.run()
    assert "Has no calls from 2026-01-01" in page.error[0].value.replace("\\", "") or (
        "has no calls from 2026-01-01" in page.error[0].value.replace("\\", "")
    )


def test_a_client_without_calls(database: Database, acme: UUID) -> None:
    factories.client(database, "Bolt")
    page = open_page(PAGE, client="Bolt")

    assert not page.exception
    assert "No calls in these days." in text_of(page)
    assert "Providers state another cost" not in text_of(page)


def test_a_discount_is_previewed_and_saved(database: Database, acme: UUID) -> None:
    page = open_page(PAGE)
    [model] = [box for box in page.selectbox if box.label == "Model"]
    model.select("OpenAI · gpt-3.5-turbo")
    [per] = [box for box in page.selectbox if box.label == "Per"]
    per.set_value("% off")
    page.run()
    _fill(page, percent="20")
    button(page, "Preview the effect").click()
    page.run()

    assert not page.exception
    assert "20 % off the public price, from" in text_of(page).replace("\\", "")
    effect = page.dataframe[3].value.set_index("Model")
    # 150 tokens at 0.4 and 80 at 1.2 dollars a million: a fifth less than the public price.
    assert effect.loc["gpt-3.5-turbo", "Repriced"] == pytest.approx(0.000156)

    button(page, "Save this price").click()
    page.run()
    turbo = page.dataframe[0].value.set_index("Model").loc["gpt-3.5-turbo"]
    assert turbo[["Input", "Output", "Price list"]].tolist() == [0.4, 1.2, "This client's"]
    assert "20 % off the public price" in page.dataframe[2].value["Discount"].tolist()


def test_other_kinds_are_behind_an_expander(database: Database, acme: UUID) -> None:
    page = open_page(PAGE)

    _fill(
        page, **{"input": "2", "output": "3", "audio input": "40", "web searches": "10", "service": "Batch"}
    )
    button(page, "Preview the effect").click()
    page.run()
    button(page, "Save this price").click()
    page.run()

    assert not page.exception
    assert page.success[0].value.startswith("Saved")
    [rows] = database.read(
        Query(
            statement="select audio_input_usd, web_search_usd, service_tier, cache_write_usd"
            " from model_prices where source = 'own'"
        )
    )
    assert list(rows.records) == [(40, 10, "batch", None)]
    listed = page.dataframe[2].value
    assert listed["Other kinds"].dropna().tolist() == ["audio input $40.00, web searches $10.00 per 1,000"]
    assert listed["Tier"].dropna().tolist() == ["batch"]


def test_what_providers_state_is_shown_where_it_differs(database: Database, acme: UUID) -> None:
    factories.insert_usage(
        database,
        factories.usage_log(
            acme, model="sonar", stated_cost_usd=Decimal("0.5"), created_at=datetime.now(UTC)
        ),
    )
    page = open_page(PAGE)

    assert "## Providers state another cost" in text_of(page)
    stated = next(each.value for each in page.dataframe if "Provider says" in each.value)
    assert stated[["Model", "Provider says", "Booked"]].values.tolist() == [["sonar", 0.5, 0.0093]]
