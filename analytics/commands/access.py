"""`members` and `keys`: who may see what."""

from contextlib import closing

import click

from analytics.access.keys import SCOPES, create_key, list_keys, revoke_key
from analytics.access.members import ROLES, add_member, list_members, remove_member
from analytics.migrations import open_ready_database


@click.group()
def members() -> None:
    """Which person may see which client in the dashboard."""


@members.command("add")
@click.argument("email")
@click.option("--client", help="Name or id; without it all clients, which needs --role admin.")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True)
def add(email: str, client: str | None, role: str) -> None:
    """Lets somebody see a client, or gives them another role."""
    with closing(open_ready_database()) as database:
        email = add_member(database, email, client, role)
    click.echo(f"{email} is {role} of {client or 'all clients'}")


@members.command("remove")
@click.argument("email")
@click.option("--client", help="Only the membership of this one: name or id.")
def remove(email: str, client: str | None) -> None:
    """Ends what somebody may see; open pages notice within a minute."""
    with closing(open_ready_database()) as database:
        removed = remove_member(database, email, client)
    click.echo(f"{email}: {removed} {'membership' if removed == 1 else 'memberships'} ended")


@members.command("list")
def show_members() -> None:
    """Shows all members."""
    with closing(open_ready_database()) as database:
        listed = list_members(database)
    if not listed:
        click.echo(
            "no members yet: add one with python -m analytics members add ada@example.com --client Acme"
        )
    for member in listed:
        click.echo(f"{member.email}  {member.role}  {member.client_name or 'all clients'}")


@click.group()
def keys() -> None:
    """Which program may read or write over HTTP, and for which client."""


@keys.command("create")
@click.option("--client", required=True, help="Name or id.")
@click.option("--scope", type=click.Choice(SCOPES), required=True)
@click.option("--name", default="unnamed", show_default=True, help="What it is for.")
def create(client: str, scope: str, name: str) -> None:
    """Makes a key and prints it: this once, for it is kept nowhere."""
    with closing(open_ready_database()) as database:
        text = create_key(database, client, scope, name)
    click.echo("keep this key in a safe place, it is not shown again:", err=True)
    click.echo(text)


@keys.command("revoke")
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Ends a key; servers that are running notice within a minute."""
    with closing(open_ready_database()) as database:
        revoke_key(database, key_id)
    click.echo(f"{key_id} is revoked")


@keys.command("list")
def show_keys() -> None:
    """Shows all keys without their secrets."""
    with closing(open_ready_database()) as database:
        listed = list_keys(database)
    if not listed:
        click.echo("no keys yet: make one with python -m analytics keys create --client Acme --scope read")
    for key in listed:
        click.echo(f"{key.id}  {key.client_name}  {key.scope}  {key.name}  {key.state}")
