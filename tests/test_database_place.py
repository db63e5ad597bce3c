"""Where the database is (name, host, port, user): for those who run the installation, and the log."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analytics.access.members import add_member
from analytics.access.viewer import Identity
from analytics.database import Database
from analytics.ui.frame import reads, sign_in
from tests import factories
from tests.api import bearer, open_api
from tests.app import AT_THIS_MACHINE, open_page, text_of
from tests.tcp_proxy import TcpProxy

PAGES = (
    None, "pages/providers_and_models.py", "pages/conversations.py", "pages/calls.py", "pages/live.py",
    "pages/prices.py", "pages/data_health.py",
)  # fmt: skip
PUBLIC = {"access": {"public_client": "Acme"}}
SIGNS_IN = {"auth": {"client_id": "x"}}


@pytest.fixture
def proxy(database: Database, cold_caches: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[TcpProxy]:
    """Between the dashboard and its database, which has a client and three members."""
    client_id = factories.client(database)
    factories.insert_usage(database, factories.usage_log(client_id))
    add_member(database, "vera@example.com", "Acme", "viewer")
    add_member(database, "adam@example.com", "Acme", "admin")
    add_member(database, "ada@example.com", None, "admin")
    with TcpProxy(database.url) as proxy:
        monkeypatch.setenv("DATABASE_URL", proxy.url.render_as_string(hide_password=False))
        yield proxy


def told(page: AppTest, proxy: TcpProxy) -> list[str]:
    """What of the place stands anywhere on the page."""
    assert not page.exception
    everything = f"{text_of(page)}{page.main}{page.sidebar}".replace("\\", "").replace("\u2060", "")
    url = proxy.url
    parts = (url.database, url.host, f":{url.port}", str(url.port), f'"{url.username}"')
    return [str(part) for part in parts if part and str(part) in everything]


def as_member(monkeypatch: pytest.MonkeyPatch, email: str | None) -> None:
    who = Identity(email=email, is_email_verified=True) if email else None
    monkeypatch.setattr(sign_in, "identity", lambda: who)


@pytest.mark.parametrize("path", PAGES)
def test_a_visitor_reads_that_the_database_does_not_answer(
    proxy: TcpProxy, path: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    page = open_page(path, secrets=PUBLIC, server_address="0.0.0.0")
    proxy.stop()
    reads.forget()
    with caplog.at_level(logging.WARNING):
        for each in (page.run(), open_page(path, secrets=PUBLIC, server_address="0.0.0.0")):
            assert "database does not answer" in text_of(each)
            assert told(each, proxy) == []
    assert f":{proxy.port}" in caplog.text


@pytest.mark.parametrize(
    ("email", "is_told"),
    [(None, False), ("vera@example.com", False), ("adam@example.com", False), ("ada@example.com", True)],
)
def test_of_those_who_sign_in_only_who_sees_all_clients_is_told(
    proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch, email: str | None, is_told: bool
) -> None:
    as_member(monkeypatch, email)
    page = open_page(secrets=SIGNS_IN)
    proxy.stop()
    reads.forget()

    page.run()

    assert bool(told(page, proxy)) == is_told
    if email:
        assert "database does not answer" in text_of(page)
    # A new visit while it is away: nobody knows any more who runs this.
    reads.forget()
    st.cache_resource.clear()
    later = open_page(secrets=SIGNS_IN)
    assert told(later, proxy) == []


def test_whoever_sits_at_the_machine_is_told_from_the_first_visit_on(proxy: TcpProxy) -> None:
    proxy.stop()
    page = open_page(secrets=AT_THIS_MACHINE)
    assert f":{proxy.port}" in told(page, proxy)
    elsewhere = open_page(secrets=AT_THIS_MACHINE, server_address="0.0.0.0")
    assert told(elsewhere, proxy) == []


def test_one_who_ran_it_and_signs_out_is_told_no_more(
    proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_member(monkeypatch, "ada@example.com")
    page = open_page(secrets=SIGNS_IN)
    as_member(monkeypatch, "vera@example.com")
    page.run()
    proxy.stop()
    reads.forget()
    assert told(page.run(), proxy) == []


def test_a_database_that_is_not_set_up_is_not_named(
    empty_database: Database, cold_caches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database.url.render_as_string(hide_password=False))
    page = open_page(secrets=PUBLIC, server_address="0.0.0.0")
    assert "not set up yet" in text_of(page)
    assert str(empty_database.url.database) not in f"{page.main}"


def test_no_answer_of_the_api_names_it(database: Database, proxy: TcpProxy) -> None:
    headers = bearer(database, next(iter(_clients(database))))
    api = open_api(Database(proxy.url))
    paths = ("/readyz", "/api/analytics", "/api/export?from=2026-03-01&to=2026-03-31", "/metrics", "/healthz")
    assert api.get("/api/analytics", headers=headers).status_code == 200
    proxy.stop()
    answers = [api.get(path, headers=headers) for path in paths]
    answers.append(api.post("/api/usage", json={"source": "openai"}, headers=headers))
    for answer in answers:
        url = proxy.url
        told = f"{answer.text}{dict(answer.headers)}"
        assert not [part for part in (url.database, str(url.port), url.host) if part and part in told]
    assert [answer.status_code for answer in answers[:3]] == [503, 200, 503]


def _clients(database: Database) -> list[Any]:
    with database.transaction() as connection:
        return [row[0] for row in connection.execute("select id from clients").fetchall()]
