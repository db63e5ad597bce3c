"""Members: which person may see which client."""

from typing import NamedTuple

from analytics.calls.row import UNASSIGNED_CLIENT
from analytics.clients import find_client
from analytics.database import Database
from analytics.errors import InvalidInput

ROLES = ("viewer", "admin")
# Emails are compared in lower case, and are no longer than this by RFC 5321.
MAX_EMAIL = 320

_LIST = """
    select members.email, members.role, clients.name
    from members
    left join clients on clients.id = members.client_id
    order by members.email, clients.name nulls first
"""
_ADD = """
    insert into members (email, client_id, role) values (%s, %s, %s)
    on conflict on constraint members_once_per_client do update set role = excluded.role
"""


class Member(NamedTuple):
    """A person and a client that they may see."""

    email: str
    role: str
    client_name: str | None
    """None: all clients."""


def add_member(database: Database, email: str, client: str | None, role: str) -> str:
    """Lets the person with this email see the client (name or id), or every client (None, admins only).

    A member gets the new role. Returns the address as it is stored.

    Raises:
        InvalidInput: the email or role is not valid, somebody who is not an admin would see all clients, or
            the client is the one of the calls without a client.
        UnknownClient: no client has this name or id.
    """
    email = checked_email(email)
    if role not in ROLES:
        raise InvalidInput(f'role must be one of {", ".join(ROLES)}, not "{role}"')
    if client is None and role != "admin":
        raise InvalidInput(
            f"only an admin may see all clients: name a client for a {role}, or give the role admin"
        )
    client_id = None if client is None else find_client(database, client).id
    if client_id == UNASSIGNED_CLIENT:
        raise InvalidInput(
            "calls without a client may be anybody's: they are only for an admin of all clients"
        )
    with database.transaction() as connection:
        connection.execute(_ADD, [email, client_id, role])
    return email


def remove_member(database: Database, email: str, client: str | None) -> int:
    """Ends the membership in this client, or all of the person. Returns how many.

    Raises:
        InvalidInput: there is no such membership.
        UnknownClient: no client has this name or id.
    """
    email = checked_email(email)
    client_id = None if client is None else find_client(database, client).id
    with database.transaction() as connection:
        removed = connection.execute(
            "delete from members where email = %(email)s"
            " and (%(client_id)s::uuid is null or client_id = %(client_id)s)",
            {"email": email, "client_id": client_id},
        ).rowcount
    if not removed:
        raise InvalidInput(f"{email} is not a member of {client or 'any client'}")
    return removed


def list_members(database: Database) -> list[Member]:
    """All members, by email."""
    with database.transaction() as connection:
        return [Member(*row) for row in connection.execute(_LIST)]


def checked_email(email: str) -> str:
    """The email address as it is stored, in lower case.

    Raises:
        InvalidInput: it is not an email address.
    """
    text = email.strip().lower()
    name, at, domain = text.partition("@")
    has_odd_sign = any(sign.isspace() or not sign.isprintable() for sign in text)
    # The Kelvin sign, for one, becomes a plain k in lower case: that would be another person's address.
    has_odd_sign |= any(sign.lower().isascii() and not sign.isascii() for sign in email)
    if not (name and at and domain) or "@" in domain or has_odd_sign or len(text) > MAX_EMAIL:
        raise InvalidInput(f'an email address is needed, such as ada@example.com, not "{email[:60]}"')
    return text
