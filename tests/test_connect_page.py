"""The page Connect: its lines, who may make a key for them, and the first call that comes."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from streamlit.testing.v1 import AppTest

from analytics import serving
from analytics.access.keys import find_key, list_keys
from analytics.database import Database
from analytics.ui.connect.tools import TOOLS, WRITTEN_ADDRESS, WRITTEN_CLIENT, WRITTEN_KEY, Tool, blocks_of
from tests import factories
from tests.app import button, open_page, text_of
from tests.connect_lines import all_lines

pytestmark = pytest.mark.usefixtures("configured", "cold_caches")

PAGE = "pages/connect.py"
MAKE, REVOKE = "Make a key and fill it in", "Revoke this key"


def lines_of(page: AppTest) -> str:
    return "\n".join(code.value for code in page.code)


def key_in(page: AppTest) -> str:
    """The key that the lines of any program have in them."""
    return lines_of(page).partition("Bearer ")[2].partition('"')[0]


def labels(page: AppTest) -> list[str]:
    return [each.label for each in page.button]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_the_lines_of_a_tool_are_those_of_the_document(tool: Tool) -> None:
    of_document = {
        language: code for (heading, language), code in all_lines().items() if heading == tool.heading
    }

    assert {block.language: f"{block.text}\n" for block in blocks_of(tool)} == of_document
    together = "\n".join(of_document.values())
    assert (WRITTEN_ADDRESS in together, WRITTEN_KEY in together) == (tool.has_key, tool.has_key)
    assert (WRITTEN_CLIENT in together) != tool.has_key


def test_a_key_is_made_shown_once_and_revoked(database: Database, acme: UUID) -> None:
    page = open_page(PAGE, tool="any")
    assert WRITTEN_KEY in lines_of(page)
    assert not list_keys(database)

    button(page, MAKE).click().run()

    key = find_key(database, text := key_in(page))
    assert key is not None
    assert (key.client_id, key.scope) == (acme, "write")
    assert [each.name for each in list_keys(database)] == ["Connect: Any program (curl)"]
    assert text not in f"{text_of(page)}{page.query_params}"

    # It is in these lines and in no others, and whoever leaves the page has seen it.
    page.segmented_control[0].set_value("claude-code").run()
    assert text not in lines_of(page)
    page.segmented_control[0].set_value("any").run()
    assert key_in(page) == text
    page.switch_page("pages/prices.py").run()
    page.switch_page(PAGE).run()
    assert text not in lines_of(page)

    page.query_params["tool"] = "any"
    page.run()
    button(page, MAKE).click().run()
    second = key_in(page)
    button(page, REVOKE).click().run()
    assert MAKE in labels(page)
    assert WRITTEN_KEY in lines_of(page)
    assert find_key(database, second) is None
    assert not page.exception


def test_what_logs_in_its_own_process_needs_no_key(database: Database, acme: UUID) -> None:
    page = open_page(PAGE, tool="langchain")

    assert MAKE not in labels(page)
    assert f'client_id="{acme}"' in lines_of(page)
    assert "These lines need no key" in text_of(page)
    assert not page.exception


def test_who_is_no_administrator_sees_whom_to_ask(database: Database, acme: UUID) -> None:
    page = open_page(
        PAGE, secrets={"access": {"public_client": "Acme", "contact": "ada@example.com"}}, tool="any"
    )

    assert MAKE not in labels(page)
    assert WRITTEN_KEY in lines_of(page)
    text = text_of(page).replace("\\", "").replace("\N{WORD JOINER}", "")
    assert "Only administrators of Acme make keys: ask one of them, or ada@example.com." in text


def test_only_a_call_after_the_page_was_opened_has_come(database: Database, acme: UUID) -> None:
    now = datetime.now(UTC)
    factories.insert_usage(database, factories.usage_log(acme, created_at=now))
    page = open_page(PAGE, tool="any")
    button(page, MAKE).click().run()
    assert "Waiting for a call of Acme" in text_of(page)

    find_key(database, key_in(page))
    page.run()
    assert "The key is in use, but no call has come yet" in text_of(page)

    factories.insert_usage(database, factories.usage_log(factories.client(database, "Beta"), created_at=now))
    assert "no call has come yet" in text_of(page.run())
    factories.insert_usage(
        database, factories.usage_log(acme, id=(call := UUID(int=5)), total_tokens=230, created_at=now)
    )
    page.run()
    assert page.success[0].value == (
        r"**A call has come**, while the key Connect\: Any program \(curl\) was in use."
    )
    [link] = [each.proto for each in page.main.get("page_link") if "230" in each.proto.label]
    assert f"call={call}" in link.query_string


def test_a_tool_that_is_none_is_refused(database: Database, acme: UUID) -> None:
    page = open_page(PAGE, tool="fax")

    assert "Tool must be one of python" in page.error[0].value.replace("\\", "")


def test_a_dashboard_without_the_api_says_how_to_start_it(
    database: Database, acme: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page(PAGE)
    assert "started without the API" in page.warning[0].value
    assert "dashboard --api" in page.code[0].value

    monkeypatch.setattr(serving, "API_IS_HERE", is_here := type(serving.API_IS_HERE)())
    is_here.set()
    assert not open_page(PAGE).warning


def test_the_address_is_the_one_that_is_configured(
    database: Database, acme: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHBOARD_URL", "https://usage.example.com/")

    assert "curl -s https://usage.example.com/api/usage" in lines_of(open_page(PAGE, tool="any"))
