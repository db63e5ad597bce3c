"""Who is looking, and which clients they may see: decided here and nowhere else.

A client that a link names is only ever a choice among these. What is decided here holds for the pages; the
second lock is row-level security, which every read of a client's numbers runs under.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from analytics.access.members import checked_email
from analytics.config import UNNAMED_PROVIDER, AccessSettings
from analytics.database import Database, Query
from analytics.errors import AccessNotSetUp, InvalidInput, NotAMember, SignInNeeded, UnknownClient
from analytics.queries import UNASSIGNED_CLIENT_ID, Client, clients

_MEMBERSHIPS = """
    select client_id, role = 'admin' as is_admin
    from members
    where email = %(email)s
"""


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Who is looking at the dashboard, and what of it is theirs to see."""

    email: str | None
    """None where nobody needed to sign in."""
    clients: Sequence[Client]
    """Those that they may see, by name."""
    administered: frozenset[UUID]
    """Ids of those whose prices they may change, and whose phones they may see."""
    sees_all_clients: bool = False
    """Those that will come, too."""

    def administers(self, client: Client) -> bool:
        """Whether they are an administrator of this client."""
        return client.id in self.administered

    def may_see_phones(self, client: Client) -> bool:
        """Whether the phones of this client are more to them than the last four digits."""
        return self.administers(client)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whom the identity provider says that somebody is."""

    email: str | None
    is_email_verified: bool = False
    """Whether the provider says that it has seen that the address is theirs; False where it says nothing."""
    provider: str = UNNAMED_PROVIDER
    """As the secrets name it, in [auth.<provider>]."""


def decide_viewer(
    database: Database, settings: AccessSettings, identity: Identity | None, *, is_at_this_machine: bool
) -> Viewer:
    """Who is looking, and what they may see. One network round trip, two where somebody signed in.

    `is_at_this_machine`: the server can be reached, and was reached, from this machine only.

    Raises:
        SignInNeeded, NotAMember, AccessNotSetUp: they may see nothing; the message says what would help.
        UnknownClient, InvalidInput: the public client of the settings is not there, or not the only one.
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
        known = clients(database)
        invented = [client for client in known if client.is_demo]
        if invented or not known:
            return Viewer(email=None, clients=invented, administered=frozenset())
    raise AccessNotSetUp(
        "to show the numbers of this database, set up sign-in with [auth] in the secrets, or name one client "
        'that everybody may see, [access] public_client = "...", or, on a laptop, set [access] local = true '
        'and start with "--server.address localhost"'
    )


def _member(database: Database, identity: Identity, settings: AccessSettings) -> Viewer:
    ask = f"ask {settings.contact}" if settings.contact else "ask whoever runs this dashboard"
    if not identity.email:
        raise NotAMember(
            "your identity provider does not tell your email address, by which members are known: sign in "
            f"with another account, or {ask} to let the provider send it"
        )
    if not identity.is_email_verified and identity.provider not in settings.trust_unverified_email:
        raise NotAMember(
            f"your identity provider does not say that it has verified that {identity.email} is yours: "
            f"verify it there and sign in again, or {ask} to trust the addresses of this provider, with "
            f'[access] trust_unverified_email = ["{identity.provider}"] in the secrets'
        )
    try:
        email = checked_email(identity.email)
    except InvalidInput:
        rows: Sequence[tuple[UUID | None, bool]] = ()
        email = identity.email
    else:
        [found] = database.read(Query(statement=_MEMBERSHIPS, parameters={"email": email}))
        rows = found.records
    if not rows:
        raise NotAMember(
            f"you are signed in as {email}, which is no member of any client here: {ask} to add this address"
        )
    if any(client_id is None for client_id, _ in rows):
        return _administrator(database, email=email)
    roles = dict(rows)
    return Viewer(
        email=email,
        clients=[client for client in _clients_of_somebody(database) if client.id in roles],
        administered=frozenset(
            client_id
            for client_id, is_admin in roles.items()
            if is_admin and client_id is not None and client_id != UNASSIGNED_CLIENT_ID
        ),
    )


def _administrator(database: Database, *, email: str | None) -> Viewer:
    known = clients(database)
    return Viewer(
        email=email,
        clients=known,
        administered=frozenset(client.id for client in known),
        sees_all_clients=True,
    )


def _public(database: Database, name_or_id: str) -> Viewer:
    found = [
        client
        for client in _clients_of_somebody(database)
        if client.name == name_or_id or str(client.id) == name_or_id.lower()
    ]
    if not found:
        raise UnknownClient(f'[access] public_client in the secrets names "{name_or_id}", which no client is')
    if len(found) > 1:
        raise InvalidInput(
            f'[access] public_client: {len(found)} clients are called "{name_or_id}", give the id'
        )
    return Viewer(email=None, clients=found, administered=frozenset())


def _clients_of_somebody(database: Database) -> list[Client]:
    """All but the one that keeps the calls without a client: those may be anybody's."""
    return [client for client in clients(database) if client.id != UNASSIGNED_CLIENT_ID]
