"""`migrate`, `client`, `demo` and `fold`: a database with its tables, its first clients, and its sums."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import click

from analytics import demo
from analytics.clients import find_or_create_client, has_clients
from analytics.config import access_settings
from analytics.database import Database, open_database
from analytics.formatting import counted
from analytics.migrations import apply_migrations, as_one_text, open_ready_database


@click.command()
@click.option(
    "--print", "prints", is_flag=True, help="All SQL as one text for an SQL editor; nothing is changed."
)
def migrate(prints: bool) -> None:
    """Brings the database up to date; safe to repeat and to run twice at once."""
    if prints:
        click.echo(as_one_text(), nl=False)
        return
    with closing(open_database()) as database:
        applied = apply_migrations(database, report=click.echo)
    if applied:
        click.echo(f"applied {counted(len(applied), 'file')} of sql/")
    else:
        click.echo("nothing to do: all files of sql/ are applied")
    with closing(open_database()) as database:
        for line in _next_step(database):
            click.echo(line)


def _next_step(database: Database) -> Iterator[str]:
    """What to do with a database that has its tables."""
    if not has_clients(database):
        yield "next: python -m analytics client Acme    # makes a client and prints its id"
        return
    settings = access_settings()
    if not (settings.is_embedded or settings.signs_in or settings.public_client or settings.is_local):
        yield (
            "next: say in .streamlit/secrets.toml who may look: on a laptop [access] local = true; "
            "docs/access.md has the others"
        )
    yield "next: streamlit run streamlit_app.py --server.address localhost"


@click.command()
@click.argument("name")
@click.option("--timezone", default="UTC", show_default=True, help="Of a client that is created.")
def client(name: str, timezone: str) -> None:
    """Prints the id of the client with this name; one that is not there yet is created."""
    with closing(open_ready_database()) as database:
        client_id, is_new = find_or_create_client(database, name, timezone=timezone)
    if is_new:
        click.echo(f'created client "{name}" with the time zone {timezone}', err=True)
    click.echo(client_id)


@click.command("demo")
@click.option("--seed", default=demo.DEFAULT_SEED, show_default=True, help="Another seed, another history.")
@click.option("--force", is_flag=True, help="Also where there are clients that are not demo ones.")
def fill_demo(seed: int, force: bool) -> None:
    """Fills three demo clients with 26 weeks of plausible use up to now, replacing earlier demo clients."""
    with closing(open_ready_database(report=click.echo)) as database:
        filled = demo.fill(database, seed=seed, end=datetime.now(UTC), force=force)
    click.echo(
        f"{filled.calls:,} calls in {filled.conversations:,} conversations of "
        f"{counted(len(filled.client_names), 'demo client')}: {', '.join(filled.client_names)}"
    )


@click.command()
def fold() -> None:
    """Moves pending sums into the rollups. Numbers are right without it; reads get faster."""
    with closing(open_ready_database(report=click.echo)) as database:
        click.echo(f"folded {counted(database.fold(), 'pending row')}")
