"""Who may see what: decided by analytics/access/viewer.py, and what the page shows of it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from streamlit.testing.v1 import AppTest

from analytics.access import viewer
from analytics.access.members import add_member
from analytics.access.viewer import Identity, Viewer
from analytics.calls.row import UNASSIGNED_CLIENT
from analytics.config import AccessSettings, access_settings
from analytics.database import Database, Query
from analytics.errors import (
    AccessNotSetUp,
    ConfigurationError,
    InvalidInput,
    NotAMember,
    SignInNeeded,
    UnknownClient,
)
from tests import factories
from tests.app import open_page, text_of

pytestmark = pytest.mark.usefixtures("cold_caches")

REAL = AccessSettings(is_embedded=False, signs_in=False)
SIGNS_IN = AccessSettings(is_embedded=False, signs_in=True)
EMBEDDED = AccessSettings(is_embedded=True, signs_in=False)
LOCAL = AccessSettings(is_embedded=False, signs_in=False, is_local=True)
ADA = Identity(email="ada@example.com", is_email_verified=True)


@pytest.fixture
def beta(database: Database, acme: UUID) -> UUID:
    """A second client, after Acme by name; and calls without a client."""
    beta = factories.client(database, "Beta")
    factories.insert_usage(database, factories.usage_log(None))  # type: ignore[arg-type]
    return beta


def decide(
    database: Database,
    settings: AccessSettings,
    identity: Identity | None = None,
    *,
    is_at_this_machine: bool = False,
) -> Viewer:
    return viewer.decide_viewer(database, settings, identity, is_at_this_machine=is_at_this_machine)


def ids(viewer: Viewer) -> list[UUID]:
    return [client.id for client in viewer.clients]


# Members -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_at_this_machine", [True, False])
def test_who_has_not_signed_in_sees_nothing(database: Database, acme: UUID, is_at_this_machine: bool) -> None:
    with pytest.raises(SignInNeeded, match="sign in to see"):
        decide(database, SIGNS_IN, is_at_this_machine=is_at_this_machine)


def test_a_viewer_of_one_client(database: Database, acme: UUID, beta: UUID) -> None:
    add_member(database, "ada@example.com", "Beta", "viewer")

    ada = decide(database, SIGNS_IN, ADA)

    assert (ada.email, ids(ada), ada.administered) == ("ada@example.com", [beta], frozenset())
    assert not ada.administers(ada.clients[0])
    assert not ada.sees_all_clients


def test_another_role_at_each_of_two_clients(database: Database, acme: UUID, beta: UUID) -> None:
    factories.client(database, "Gamma")
    add_member(database, "ada@example.com", "Acme", "viewer")
    add_member(database, "ada@example.com", "Beta", "admin")

    ada = decide(database, SIGNS_IN, ADA)

    assert ids(ada) == [acme, beta]
    assert [ada.administers(client) for client in ada.clients] == [False, True]
    assert not ada.sees_all_clients


def test_an_admin_of_all_clients(database: Database, acme: UUID, beta: UUID) -> None:
    add_member(database, "ada@example.com", None, "admin")
    add_member(database, "ada@example.com", "Acme", "viewer")

    ada = decide(database, SIGNS_IN, ADA)

    assert ids(ada) == [acme, beta, UNASSIGNED_CLIENT]
    assert ada.administered == {acme, beta, UNASSIGNED_CLIENT}
    assert ada.sees_all_clients


def test_an_admin_of_one_client_sees_that_one(database: Database, acme: UUID, beta: UUID) -> None:
    add_member(database, "ada@example.com", "Acme", "admin")

    ada = decide(database, SIGNS_IN, ADA)

    assert (ids(ada), ada.administered, ada.sees_all_clients) == ([acme], frozenset({acme}), False)


@pytest.mark.parametrize("email", ["ADA@Example.Com", "  ada@example.com "])
def test_other_spellings_of_an_email(database: Database, acme: UUID, email: str) -> None:
    add_member(database, "Ada@EXAMPLE.com", "Acme", "viewer")

    ada = decide(database, SIGNS_IN, Identity(email=email, is_email_verified=True))

    assert (ada.email, ids(ada)) == ("ada@example.com", [acme])


def test_an_email_that_nobody_verified_is_refused(database: Database, acme: UUID) -> None:
    add_member(database, "ada@example.com", None, "admin")
    with pytest.raises(NotAMember, match=r"does not say that it has verified ada@example\.com"):
        decide(database, SIGNS_IN, Identity(email="ada@example.com"))


def test_an_email_that_nobody_verified_counts_where_its_provider_is_trusted(
    database: Database, acme: UUID
) -> None:
    add_member(database, "ada@example.com", "Acme", "viewer")
    trusting = replace(SIGNS_IN, trust_unverified_email=("entra",))

    ada = decide(database, trusting, Identity(email="ada@example.com", provider="entra"))

    assert ids(ada) == [acme]
    with pytest.raises(NotAMember, match=r'trust_unverified_email = \["keycloak"\]'):
        decide(database, trusting, Identity(email="ada@example.com", provider="keycloak"))


@pytest.mark.parametrize("email", [None, ""])
def test_an_identity_without_an_email_is_refused(database: Database, acme: UUID, email: str | None) -> None:
    with pytest.raises(NotAMember, match="does not send your email address"):
        decide(database, SIGNS_IN, Identity(email=email, is_email_verified=True))


@pytest.mark.parametrize(
    "email",
    [
        "bob@example.com",
        "ada",
        "ada@example.com\0",
        "ada@example.com\ud800",
        "' or true --@example.com",
        f"{'a' * 320}@example.com",
        # In lower case the Kelvin sign is a k.
        "\N{KELVIN SIGN}im@example.com",
    ],
)
def test_whoever_is_no_member_is_told_whom_to_ask(database: Database, acme: UUID, email: str) -> None:
    add_member(database, "ada@example.com", None, "admin")
    add_member(database, "kim@example.com", None, "admin")
    somebody = Identity(email=email, is_email_verified=True)
    with pytest.raises(NotAMember, match="is not a member of any client: ask whoever runs this dashboard"):
        decide(database, SIGNS_IN, somebody)

    settings = AccessSettings(is_embedded=False, signs_in=True, contact="help@example.com")
    with pytest.raises(NotAMember, match=r"ask help@example\.com to add it"):
        decide(database, settings, somebody)


def test_a_membership_ends_with_its_client(database: Database, acme: UUID, beta: UUID) -> None:
    add_member(database, "ada@example.com", "Beta", "viewer")
    with database.transaction() as connection:
        connection.execute("delete from clients where id = %s", [beta])
    with pytest.raises(NotAMember):
        decide(database, SIGNS_IN, ADA)


def test_an_identity_counts_only_where_people_sign_in(database: Database, acme: UUID) -> None:
    """A cookie of earlier days, when there was an [auth] section."""
    add_member(database, "ada@example.com", None, "admin")
    with pytest.raises(AccessNotSetUp):
        decide(database, REAL, ADA)


# A public client -----------------------------------------------------------------------------------


def public(name_or_id: str, *, signs_in: bool = False) -> AccessSettings:
    return AccessSettings(is_embedded=False, signs_in=signs_in, public_client=name_or_id)


@pytest.mark.parametrize("is_at_this_machine", [True, False])
def test_a_public_client_by_name_or_id(
    database: Database, acme: UUID, beta: UUID, is_at_this_machine: bool
) -> None:
    for name_or_id in ("Beta", str(beta), str(beta).upper()):
        viewer = decide(database, public(name_or_id), is_at_this_machine=is_at_this_machine)
        assert (viewer.email, ids(viewer)) == (None, [beta])
        assert (viewer.administered, viewer.sees_all_clients) == (frozenset(), False)


@pytest.mark.parametrize("name_or_id", ["nobody", "beta", str(UUID(int=999)), str(UNASSIGNED_CLIENT)])
def test_a_public_client_that_is_none(database: Database, acme: UUID, beta: UUID, name_or_id: str) -> None:
    with pytest.raises(UnknownClient, match=f'no client is called "{name_or_id}"'):
        decide(database, public(name_or_id))


def test_a_public_client_with_a_namesake(database: Database, acme: UUID) -> None:
    factories.client(database, "Acme")
    with pytest.raises(InvalidInput, match=r'2 clients are called "Acme" .* give the id'):
        decide(database, public("Acme"))
    assert ids(decide(database, public(str(acme)))) == [acme]


def test_a_public_client_beside_sign_in(database: Database, acme: UUID, beta: UUID) -> None:
    add_member(database, "ada@example.com", "Beta", "viewer")
    settings = public("Acme", signs_in=True)

    signed_out = decide(database, settings)
    member = decide(database, settings, ADA)
    nobody = decide(database, settings, Identity(email="bob@example.com", is_email_verified=True))
    unverified = decide(database, settings, Identity(email="ada@example.com"))

    assert [ids(each) for each in (signed_out, member, nobody, unverified)] == [
        [acme],
        [beta],
        [acme],
        [acme],
    ]
    assert [each.email for each in (signed_out, member, nobody, unverified)] == [None, ADA.email, None, None]


# At this machine, and the embedded database --------------------------------------------------------


@pytest.mark.parametrize("is_at_this_machine", [True, False])
def test_a_database_for_which_nobody_said_who_may_look(
    database: Database, acme: UUID, is_at_this_machine: bool
) -> None:
    with pytest.raises(AccessNotSetUp, match=r"\[auth\].*public_client = .*local = true.*localhost"):
        decide(database, REAL, is_at_this_machine=is_at_this_machine)


def test_local_is_everything_for_whoever_sits_here(database: Database, acme: UUID, beta: UUID) -> None:
    viewer = decide(database, LOCAL, is_at_this_machine=True)
    assert ids(viewer) == [acme, beta, UNASSIGNED_CLIENT]
    assert (viewer.email, viewer.sees_all_clients) == (None, True)
    assert all(viewer.administers(client) for client in viewer.clients)


@pytest.mark.parametrize("is_embedded", [True, False])
def test_local_is_nothing_for_others(database: Database, acme: UUID, is_embedded: bool) -> None:
    settings = AccessSettings(is_embedded=is_embedded, signs_in=False, is_local=True)
    with pytest.raises(AccessNotSetUp, match="this server can be reached from others"):
        decide(database, settings)


def test_local_does_not_open_what_asks_to_sign_in(database: Database, acme: UUID) -> None:
    settings = AccessSettings(is_embedded=False, signs_in=True, is_local=True)
    with pytest.raises(SignInNeeded):
        decide(database, settings, is_at_this_machine=True)


def test_invented_clients_are_everybodys(database: Database) -> None:
    demo = factories.client(database, "Invented", is_demo=True)
    factories.insert_usage(database, factories.usage_log(None))  # type: ignore[arg-type]

    elsewhere = decide(database, EMBEDDED)
    here = decide(database, EMBEDDED, is_at_this_machine=True)

    assert (ids(elsewhere), elsewhere.administered) == ([demo], frozenset())
    assert (ids(here), here.sees_all_clients) == ([demo, UNASSIGNED_CLIENT], True)


def test_real_clients_of_the_embedded_database_are_for_this_machine_only(
    database: Database, acme: UUID
) -> None:
    with pytest.raises(AccessNotSetUp):
        decide(database, EMBEDDED)
    assert ids(decide(database, EMBEDDED, is_at_this_machine=True)) == [acme]

    demo = factories.client(database, "Invented", is_demo=True)
    assert ids(decide(database, EMBEDDED)) == [demo]
    assert ids(decide(database, EMBEDDED, is_at_this_machine=True)) == [acme, demo]


def test_an_embedded_database_without_clients_is_open(database: Database) -> None:
    assert ids(decide(database, EMBEDDED)) == []


def test_invented_clients_of_a_configured_database_are_not_everybodys(database: Database) -> None:
    factories.client(database, "Invented", is_demo=True)
    with pytest.raises(AccessNotSetUp):
        decide(database, REAL)


def test_calls_without_a_client_are_for_administrators_of_all(database: Database, beta: UUID) -> None:
    with pytest.raises(InvalidInput, match="only for an admin of all clients"):
        add_member(database, "ada@example.com", str(UNASSIGNED_CLIENT), "viewer")
    with database.transaction() as connection:
        connection.execute(
            "insert into members (email, client_id, role) values ('ada@example.com', %s, 'admin'),"
            " ('ada@example.com', %s, 'viewer')",
            [UNASSIGNED_CLIENT, beta],
        )

    ada = decide(database, SIGNS_IN, ADA)

    assert (ids(ada), ada.administered) == ([beta], frozenset())


# Settings ------------------------------------------------------------------------------------------


def test_nothing_is_set() -> None:
    assert access_settings({}) == EMBEDDED


def test_all_is_set() -> None:
    secrets = {
        "connections": {"usage": {"url": "postgresql://localhost/usage"}},
        "auth": {"client_id": "dashboard"},
        "access": {"public_client": "Acme", "local": True, "contact": "help@example.com"},
    }
    assert access_settings(secrets) == AccessSettings(
        is_embedded=False, signs_in=True, public_client="Acme", is_local=True, contact="help@example.com"
    )


def test_a_database_of_the_environment_is_not_the_embedded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/usage")
    assert access_settings({}) == REAL


def test_trusted_providers_are_those_of_auth() -> None:
    named = {"google": {"client_id": "x"}, "client_kwargs": {"scope": "openid"}}
    trusting = {"auth": named, "access": {"trust_unverified_email": ["google"]}}
    assert access_settings(trusting).trust_unverified_email == ("google",)
    trusting = {"auth": {"client_id": "x"}, "access": {"trust_unverified_email": ["default"]}}
    assert access_settings(trusting).trust_unverified_email == ("default",)
    with pytest.raises(ConfigurationError, match=r"\[auth\] has google, not 'Google'"):
        access_settings({"auth": named, "access": {"trust_unverified_email": ["Google"]}})
    with pytest.raises(ConfigurationError, match=r"\[auth\] has google, not 1"):
        access_settings({"auth": named, "access": {"trust_unverified_email": [1]}})


def test_empty_texts_are_as_good_as_none() -> None:
    assert access_settings({"access": {"public_client": "", "contact": "", "local": False}}) == EMBEDDED


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (True, r"\[access\] in the secrets must be a section, such as \[access\] local = true"),
        ("local", "must be a section"),
        (
            {"locale": True},
            r'unknown setting "locale" in .*; allowed: public_client, local, contact, trust_unverified_email',
        ),
        ({"local": "true"}, r"\[access\] local must be a bool, not 'true'"),
        ({"local": 1}, r"\[access\] local must be a bool, not 1"),
        ({"public_client": True}, r"\[access\] public_client must be a str, not True"),
        ({"trust_unverified_email": "google"}, "trust_unverified_email must be a list, not 'google'"),
        ({"trust_unverified_email": ["google"]}, r"needs \[auth\]"),
        ({"contact": ["a"]}, r"\[access\] contact must be a str, not \['a'\]"),
    ],
)
def test_a_section_that_cannot_be_used_says_why(section: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        access_settings({"access": section})


# On the page ---------------------------------------------------------------------------------------

ACME_TOKENS, BETA_TOKENS = 1_230_000, 45_600


@pytest.fixture
def configured(configured: Database) -> Database:
    """The dashboard's database: two clients with use today."""
    for name, tokens in (("Acme", ACME_TOKENS), ("Beta", BETA_TOKENS)):
        client_id = factories.client(configured, name)
        factories.insert_usage(
            configured,
            factories.usage_log(
                client_id, prompt_tokens=tokens, completion_tokens=0, created_at=datetime.now(UTC)
            ),
        )
    return configured


@pytest.fixture
def acme_id(configured: Database) -> str:
    """What a link may call Acme without naming it."""
    [[client_id]] = configured.read(Query(statement="select id::text from clients where name = 'Acme'"))[
        0
    ].records
    return str(client_id)


def shown_of_both(page: AppTest) -> list[str]:
    """What the page tells of either client, anywhere in what is sent to the browser."""
    sent = "\n".join(str(getattr(node, "proto", "")) for node in page._tree)
    return [told for told in ("Acme", "Beta", "1.23M", "45.6K") if told in sent]


@pytest.mark.parametrize("server_address", ["localhost", None])
def test_a_page_without_access_shows_no_number_and_says_what_to_do(
    configured: Database, acme_id: str, server_address: str | None
) -> None:
    for link in ({}, {"client": acme_id}, {"days": "7d"}):
        page = open_page(secrets={}, server_address=server_address, **link)
        assert not page.exception
        assert shown_of_both(page) == []
        assert not page.metric
        assert not page.dataframe
    text = text_of(page).replace("\\", "")
    assert "Access is not set up." in text
    for remedy in ("[auth]", 'public_client = "..."', "local = true", "--server.address localhost"):
        assert remedy in text


def test_a_page_that_asks_to_sign_in_shows_no_number(configured: Database, acme_id: str) -> None:
    page = open_page(secrets={"auth": {"client_id": "dashboard"}}, client=acme_id)
    assert not page.exception
    assert shown_of_both(page) == []
    assert [button.label for button in page.button] == ["Sign in"]


@pytest.mark.parametrize("server_address", ["localhost", "0.0.0.0", None])
def test_a_page_with_a_public_client(configured: Database, server_address: str | None) -> None:
    secrets = {"access": {"public_client": "Beta"}}
    for link in ({}, {"client": "Beta"}):
        page = open_page(secrets=secrets, server_address=server_address, **link)
        assert shown_of_both(page) == ["Beta", "45.6K"]
        assert page.metric[0].value == "45.6K"
        assert [box.label for box in page.selectbox] == ["Group charts by", "Per"]  # and no client to choose


def test_a_link_to_another_client_is_refused(configured: Database, acme_id: str) -> None:
    for other in (acme_id, acme_id.upper()):
        page = open_page(secrets={"access": {"public_client": "Beta"}}, client=other)
        assert not page.exception
        assert shown_of_both(page) == []
        assert not page.metric
        assert "This link does not work." in text_of(page)

    page.button[0].click().run()
    assert page.metric[0].value == "45.6K"


def test_a_link_is_a_choice_among_those_allowed(configured: Database) -> None:
    for client, tokens in (("Acme", "1.23M"), ("Beta", "45.6K")):
        page = open_page(client=client)
        assert page.metric[0].value == tokens
        assert page.selectbox(key="client").options == ["Acme", "Beta"]


@pytest.mark.parametrize("server_address", ["0.0.0.0", None, "", "192.168.1.2", "example.com"])
def test_a_local_page_is_refused_where_others_reach_the_server(
    configured: Database, server_address: str | None
) -> None:
    page = open_page(server_address=server_address)
    assert not page.exception
    assert shown_of_both(page) == []
    assert "start it with --server.address localhost" in text_of(page).replace("\\", "").replace('"', "")


@pytest.mark.parametrize("server_address", ["localhost", "127.0.0.1", "::1"])
def test_a_local_page_shows_everything_here(configured: Database, server_address: str) -> None:
    assert open_page(server_address=server_address).metric[0].value == "1.23M"


@pytest.mark.parametrize("section", [{"locale": True}, {"local": "yes"}, True])
def test_a_page_with_wrong_settings_shows_no_number(configured: Database, section: Any) -> None:
    page = open_page(secrets={"access": section})
    assert not page.exception
    assert shown_of_both(page) == []
    assert "[access]" in text_of(page).replace("\\", "")
