"""Decides who is looking and which clients they may see. Nothing else decides that.

A link can only choose among these clients. This decision holds for the pages; row-level security, under
which every read of a client's numbers runs, is the second lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from analytics.access.members import checked_email
from analytics.calls.row import UNASSIGNED_CLIENT
from analytics.clients import Client, list_clients
from analytics.config import UNNAMED_PROVIDER, AccessSettings
from analytics.database import Database, Query
from analytics.errors import AccessNotSetUp, InvalidInput, NotAMember, SignInNeeded, UnknownClient

_MEMBERSHIPS = """
    select client_id, role = 'admin' as is_admin
    from members
    where email = %(email)s
"""


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Who is looking at the dashboard, and what they may see."""

    email: str | None
    """None if nobody had to sign in."""
    clients: Sequence[Client]
    """The clients they may see, by name."""
    administered: frozenset[UUID]
    """Ids of the clients whose prices they may change and whose phones they may see."""
    sees_all_clients: bool = False
    """Also future ones."""

    def administers(self, client: Client) -> bool:
        """Whether they are an administrator of this client."""
        return client.id in self.administered

    def may_see_phones(self, client: Client) -> bool:
        """Whether they may see whole phones of this client, not only the last four digits."""
        return self.administers(client)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A person, as the identity provider describes them."""

    email: str | None
    is_email_verified: bool = False
    """Whether the provider says that it has verified the address; False if it says nothing."""
    provider: str = UNNAMED_PROVIDER
    """Its name in the secrets, [auth.<provider>]."""


def decide_viewer(
    database: Database, settings: AccessSettings, identity: Identity | None, *, is_at_this_machine: bool
) -> Viewer:
    """Who is looking, and what they may see. One network round trip, two for a signed-in person.

    `is_at_this_machine`: the server listens to this machine only, and the request came from it.

    Raises:
        SignInNeeded, NotAMember, AccessNotSetUp: they may see nothing; the message says what to do.
        UnknownClient, InvalidInput: no client, or several, have the name of the public client.
    """
    if settings.signs_in and identity is not None:
        try:
            return _member(database, identity, settings)
        except NotAMember:
            if settings.public_client is None:
                raise
    if settings.public_client is not None:
        return _public(database, settings.public_client)
    if settings.signs_in:
        raise SignInNeeded("sign in to see the usage of your clients")
    if settings.is_local and not is_at_this_machine:
        raise AccessNotSetUp(
            "[access] local = true shows everything to whoever sits at this machine, but this server can be "
            'reached from others: start it with "--server.address localhost", or set up [auth]'
        )
    if is_at_this_machine and (settings.is_local or settings.is_embedded):
        return _administrator(database, email=None)
    if settings.is_embedded:
        everyone = list_clients(database, with_unassigned=True)
        demo = [client for client in everyone if client.is_demo]
        if demo or not everyone:
            return Viewer(email=None, clients=demo, administered=frozenset())
    raise AccessNotSetUp(
        "to show the numbers of this database, set up sign-in with [auth] in the secrets, or name one client "
        'that everybody may see, [access] public_client = "...", or, on a laptop, set [access] local = true '
        'and start with "--server.address localhost"'
    )


def _member(database: Database, identity: Identity, settings: AccessSettings) -> Viewer:
    ask = f"ask {settings.contact}" if settings.contact else "ask whoever runs this dashboard"
    if not identity.email:
        raise NotAMember(
            "your identity provider does not send your email address, which identifies members: sign in with "
            f"another account, or {ask} to let the provider send it"
        )
    if not identity.is_email_verified and identity.provider not in settings.trust_unverified_email:
        raise NotAMember(
            f"your identity provider does not say that it has verified {identity.email}: "
            f"verify it there and sign in again, or {ask} to trust the addresses of this provider, with "
            f'[access] trust_unverified_email = ["{identity.provider}"] in the secrets'
        )
    try:
        email = checked_email(identity.email)
    except InvalidInput:
        rows: Sequence[tuple[UUID | None, bool]] = ()
        email = identity.email
    else:
        [memberships] = database.read(Query(statement=_MEMBERSHIPS, parameters={"email": email}))
        rows = memberships.records
    if not rows:
        raise NotAMember(
            f"you are signed in as {email}, but this address is not a member of any client: {ask} to add it"
        )
    if any(client_id is None for client_id, _ in rows):
        return _administrator(database, email=email)
    roles = dict(rows)
    return Viewer(
        email=email,
        clients=[client for client in list_clients(database) if client.id in roles],
        administered=frozenset(
            client_id
            for client_id, is_admin in roles.items()
            if is_admin and client_id is not None and client_id != UNASSIGNED_CLIENT
        ),
    )


def _administrator(database: Database, *, email: str | None) -> Viewer:
    everyone = list_clients(database, with_unassigned=True)
    return Viewer(
        email=email,
        clients=everyone,
        administered=frozenset(client.id for client in everyone),
        sees_all_clients=True,
    )


def _public(database: Database, name_or_id: str) -> Viewer:
    matches = [
        client
        for client in list_clients(database)
        if client.name == name_or_id or str(client.id) == name_or_id.lower()
    ]
    if not matches:
        raise UnknownClient(f'no client is called "{name_or_id}" ([access] public_client)')
    if len(matches) > 1:
        raise InvalidInput(
            f'{len(matches)} clients are called "{name_or_id}" ([access] public_client): give the id'
        )
    return Viewer(email=None, clients=matches, administered=frozenset())
