"""`distribute`: an installation over the nodes of Citus."""

from contextlib import closing

import click

from analytics.commands.doctor import show_checks
from analytics.database import open_database
from analytics.distribution import distribute
from analytics.health import shard_checks, worst


@click.command("distribute")
@click.option(
    "--shards",
    default=32,
    show_default=True,
    type=click.IntRange(1, 1024),
    help="Of each table. A client lies in one of them; it cannot be changed later.",
)
@click.pass_context
def distribute_command(context: click.Context, shards: int) -> None:
    """Distributes the clients over the nodes of Citus; run again, it gives moved shards their functions."""
    with closing(open_database()) as database:
        done = distribute(database, shard_count=shards, report=click.echo)
        click.echo(f"{done.calls:,} calls of {done.clients:,} clients lie on {', '.join(done.nodes)}")
        checks = shard_checks(database)
    show_checks("Shards", checks)
    if worst(checks) == "fail":
        context.exit(1)
