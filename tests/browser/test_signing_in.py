"""Signing in and out in a real browser, at a real OpenID Connect provider, by Streamlit's own means."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy.engine import make_url

from analytics.access.members import add_member, remove_member
from analytics.database import Database
from tests import factories
from tests.browser import dashboard
from tests.browser.visits import kept_scripts, visitor
from tests.clones import Clones
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider
from tests.tcp_proxy import TcpProxy

ADA, BOB, EVE, MAX = "ada@example.com", "Bob@Example.com", "eve@example.com", "max@example.com"
AUTH = """
    [auth]
    redirect_uri = "ADDRESS/oauth2callback"
    cookie_secret = "a secret of this test run, long enough"
"""
SHARED = f"""
    [access]
    contact = "help@example.com"
    {AUTH}
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    """Knows Ada and Bob, whose addresses are verified; Eve, whose is not; Max, of whom it does not say."""
    accounts = {
        ADA: {"email_verified": True},
        BOB: {"email_verified": "true"},
        EVE: {"email_verified": False},
        MAX: {},
    }
    with OidcProvider(accounts) as provider:
        yield provider


@pytest.fixture(scope="module")
def database(clones: Clones, migrated_template: str) -> Iterator[Database]:
    """One for all of these tests, as a server reads it anew for each visitor."""
    with clones.copy(migrated_template) as database:
        yield database


@pytest.fixture(scope="module")
def clients(database: Database) -> dict[str, UUID]:
    """Two clients that used something today."""
    ids = {}
    for name, tokens in (("Acme", 1_230_000), ("Beta", 45_600)):
        ids[name] = factories.client(database, name)
        row = factories.usage_log(
            ids[name], prompt_tokens=tokens, completion_tokens=0, created_at=datetime.now(UTC)
        )
        factories.insert_usage(database, row)
    return ids


@pytest.fixture(autouse=True)
def members_of_one_test(database: Database) -> Iterator[None]:
    yield
    with database.transaction() as connection:
        connection.execute("delete from members")


@contextmanager
def serving(
    database: Database, directories: pytest.TempPathFactory, secrets: str, **options: str
) -> Iterator[str]:
    """A dashboard with these secrets; its address."""
    directory = directories.mktemp("dashboard")
    settings = {
        "DATABASE_URL": database.url.render_as_string(hide_password=False),
        "USAGE_DATA_DIR": str(directory),
    }
    log = directory / "streamlit.log"
    with (
        dashboard.running_dashboard(log, secrets=secrets, **options, **settings) as address,
        kept_scripts(address),
    ):
        yield address


def settings(provider: OidcProvider) -> str:
    return f"""
        client_id = "{CLIENT_ID}"
        client_secret = "{CLIENT_SECRET}"
        server_metadata_url = "{provider.metadata_url}"
    """


@pytest.fixture(scope="module")
def address(
    browser: Browser,
    database: Database,
    clients: dict[str, UUID],
    provider: OidcProvider,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A dashboard at which people sign in."""
    with serving(database, tmp_path_factory, SHARED + settings(provider)) as address:
        yield address


@pytest.fixture(scope="module")
def of_two_providers(
    browser: Browser,
    database: Database,
    clients: dict[str, UUID],
    provider: OidcProvider,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A dashboard where people sign in at one of two providers, which know the same people.

    [access] trusts one of them with the addresses.
    """
    trusting = SHARED.replace("[auth]", 'trust_unverified_email = ["entra"]\n[auth]')
    secrets = f"{trusting}[auth.entra]{settings(provider)}[auth.keycloak]{settings(provider)}"
    with serving(database, tmp_path_factory, secrets) as address:
        yield address


@pytest.fixture(scope="module")
def with_a_public_client(
    browser: Browser,
    database: Database,
    clients: dict[str, UUID],
    provider: OidcProvider,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A dashboard that shows Beta to everybody, and trusts its provider, which has no name."""
    trusting = f'[access]\npublic_client = "Beta"\ntrust_unverified_email = ["default"]\n{AUTH}'
    with serving(database, tmp_path_factory, trusting + settings(provider)) as address:
        yield address


@pytest.fixture(scope="module")
def local(
    browser: Browser,
    database: Database,
    clients: dict[str, UUID],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A dashboard that shows everything to whoever sits at its machine."""
    with serving(database, tmp_path_factory, dashboard.AT_THIS_MACHINE) as address:
        yield address


def sign_in(page: Page, account: str) -> None:
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name=account).click()


def expect_total(page: Page, tokens: str) -> None:
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(tokens)


def expect_no_data(page: Page) -> None:
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
    content = page.content()
    assert [told for told in ("Acme", "Beta", "1.23M", "45.6K") if told in content] == []
    expect(page.get_by_test_id("stMetric")).to_have_count(0)


def test_a_viewer_signs_in_and_out(
    browser: Browser, address: str, database: Database, clients: dict[str, UUID], provider: OidcProvider
) -> None:
    add_member(database, ADA, "Beta", "viewer")
    with visitor(browser) as page:
        page.goto(f"{address}/?client={clients['Acme']}")
        expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
        expect_no_data(page)

        sign_in(page, ADA)
        expect_total(page, "45.6K")
        expect(page.get_by_test_id("stSidebar")).to_contain_text(ADA)
        assert "Acme" not in page.content()

        # A link is only ever a choice among what is allowed.
        page.goto(f"{address}/?client={clients['Acme']}")
        expect(page.get_by_text("This link does not work")).to_be_visible()
        expect_no_data(page)
        page.goto(f"{address}/?client={clients['Beta']}")
        expect_total(page, "45.6K")

        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
        expect_no_data(page)
        assert provider.signed_out[-1:] == [ADA]
        page.goto(address)
        expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
        expect_no_data(page)


def test_whoever_is_no_member_sees_whom_to_ask(browser: Browser, address: str, database: Database) -> None:
    for account in (EVE, MAX):
        add_member(database, account, None, "admin")
    with visitor(browser) as page:
        page.goto(address)
        sign_in(page, BOB)
        expect(page.get_by_text("bob@example.com, but this address is not a member")).to_be_visible()
        expect(page.get_by_text("ask help@example.com to add it")).to_be_visible()
        expect_no_data(page)

        # Somebody else's address does not help whoever only claims it.
        for account in (EVE, MAX):
            page.get_by_role("button", name="Sign in with another account").click()
            sign_in(page, account)
            expect(page.get_by_text(f"has verified {account}")).to_be_visible()
            expect_no_data(page)


def test_an_admin_sees_all_clients_until_that_ends(
    browser: Browser, address: str, database: Database
) -> None:
    add_member(database, BOB, None, "admin")
    with visitor(browser) as page:
        page.goto(address)
        sign_in(page, BOB)
        expect_total(page, "1.23M")
        page.get_by_role("combobox", name="Client").click()
        page.get_by_role("option", name="Beta").click()
        expect_total(page, "45.6K")

        remove_member(database, BOB, None)
        page.get_by_role("button", name="Refresh").click()
        expect(page.get_by_text("bob@example.com, but this address is not a member")).to_be_visible()
        expect(page.get_by_test_id("stMetric")).to_have_count(0)
        expect_no_data_but_the_link(page)


def expect_no_data_but_the_link(page: Page) -> None:
    """The visitor's own link named Beta, and goes on doing so."""
    content = page.content()
    assert [told for told in ("Acme", "1.23M", "45.6K") if told in content] == []


def test_beside_a_public_client_there_is_a_way_in_and_a_way_out(
    browser: Browser, with_a_public_client: str, database: Database
) -> None:
    add_member(database, ADA, "Acme", "viewer")
    with visitor(browser) as page:
        page.goto(with_a_public_client)
        expect_total(page, "45.6K")
        for account, tokens in ((BOB, "45.6K"), (ADA, "1.23M")):
            sign_in(page, account)
            expect(page.get_by_test_id("stSidebar")).to_contain_text(account)
            expect_total(page, tokens)
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
            expect_total(page, "45.6K")


def test_each_provider_has_a_button(browser: Browser, of_two_providers: str, database: Database) -> None:
    add_member(database, ADA, "Acme", "viewer")
    with visitor(browser) as page:
        page.goto(of_two_providers)
        buttons = page.get_by_test_id("stMain").get_by_role("button")
        expect(buttons).to_have_count(2)
        expect(buttons.first).to_contain_text("Sign in with Entra")
        expect(buttons.last).to_contain_text("Sign in with Keycloak")
        buttons.last.click()
        page.get_by_role("link", name=ADA).click()
        expect_total(page, "1.23M")


@pytest.mark.parametrize("account", [EVE, MAX])
def test_an_address_that_nobody_verified_counts_at_the_provider_that_is_trusted_with_it(
    browser: Browser, of_two_providers: str, database: Database, account: str
) -> None:
    add_member(database, account, "Acme", "viewer")
    with visitor(browser) as page:
        page.goto(of_two_providers)
        page.get_by_role("button", name="Sign in with Keycloak").click()
        page.get_by_role("link", name=account).click()
        expect(page.get_by_text(f"has verified {account}")).to_be_visible()
        expect(page.get_by_text('trust_unverified_email = ["keycloak"]')).to_be_visible()
        expect_no_data(page)
        page.get_by_role("button", name="Sign in with another account").click()
        page.get_by_role("button", name="Sign in with Entra").click()
        page.get_by_role("link", name=account).click()
        expect_total(page, "1.23M")


def test_a_provider_without_a_name_is_trusted_as_the_default(
    browser: Browser, with_a_public_client: str, database: Database
) -> None:
    add_member(database, MAX, "Acme", "viewer")
    with visitor(browser) as page:
        page.goto(with_a_public_client)
        sign_in(page, MAX)
        expect_total(page, "1.23M")


class ReverseProxy(TcpProxy):
    """What people put in front of a server: passes everything on, and says so in a header of its own."""

    def __init__(self, address: str) -> None:
        super().__init__(make_url(address))
        self.address = f"http://127.0.0.1:{self.port}"
        self.header = "X-Tells: nothing"

    def __enter__(self) -> "ReverseProxy":
        super().__enter__()
        return self

    def _until_cut(self, name: str, data: bytes) -> bytes:
        first_lines = f"HTTP/1.1\r\n{self.header}\r\n".encode()
        return data.replace(b"HTTP/1.1\r\n", first_lines) if name == "client" else data


PROXIES = [
    "X-Forwarded-For: 203.0.113.7",
    "x-forwarded-proto: https",
    "Forwarded: for=203.0.113.7",
    "X-Real-IP: 203.0.113.7",
    "Via: 1.1 proxy.example.com",
]


def test_a_local_server_refuses_whoever_comes_by_a_proxy(browser: Browser, local: str) -> None:
    with ReverseProxy(local) as proxy, visitor(browser) as page:
        for here in (local, local.replace("127.0.0.1", "localhost"), proxy.address):
            page.goto(here)
            expect_total(page, "1.23M")
        for proxy.header in PROXIES:
            page.goto(proxy.address)
            expect(page.get_by_text("Access is not set up")).to_be_visible()
            expect_no_data(page)


def test_a_local_server_refuses_other_names_of_this_machine(browser: Browser, local: str) -> None:
    """A page of somebody else's whose name comes to mean this machine, so that its script can read ours."""
    rebinding = "--host-resolver-rules=MAP rebound.example 127.0.0.1"
    with closing(
        browser.browser_type.launch(
            executable_path=dashboard.chromium(), args=["--no-sandbox", *dashboard.QUIET, rebinding]
        )
    ) as rebound:
        page = rebound.new_page()
        page.goto(local.replace("127.0.0.1", "rebound.example"))
        expect(page.get_by_text("Access is not set up")).to_be_visible()
        expect_no_data(page)


def test_local_is_refused_where_the_server_listens_to_all(
    browser: Browser,
    database: Database,
    clients: dict[str, UUID],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    everybody = "0.0.0.0"
    secrets = dashboard.AT_THIS_MACHINE
    with (
        serving(database, tmp_path_factory, secrets, server_address=everybody) as address,
        visitor(browser) as page,
    ):
        page.goto(address)
        expect(page.get_by_text("this server can be reached from others")).to_be_visible()
        expect_no_data(page)
