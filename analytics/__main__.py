"""The command line: `usage-analytics`, or `python -m analytics`. A command is loaded when it is asked for."""

import signal
import sys
from importlib import import_module
from typing import Any

import click

from analytics.errors import AnalyticsError

COMMANDS = {
    "alerts": "analytics.commands.alerts:alerts",
    "budgets": "analytics.commands.budgets:budgets",
    "client": "analytics.commands.setup:client",
    "corrections": "analytics.commands.corrections:corrections",
    "dashboard": "analytics.commands.dashboard:dashboard",
    "demo": "analytics.commands.setup:fill_demo",
    "distribute": "analytics.commands.distribute:distribute_command",
    "doctor": "analytics.commands.doctor:doctor",
    "erase": "analytics.commands.people:erase",
    "export": "analytics.commands.export:export",
    "fold": "analytics.commands.setup:fold",
    "import": "analytics.commands.importing:import_log",
    "keys": "analytics.commands.access:keys",
    "members": "analytics.commands.access:members",
    "migrate": "analytics.commands.setup:migrate",
    "prices": "analytics.commands.prices:prices",
    "reprice": "analytics.commands.corrections:reprice",
    "retention": "analytics.commands.retention:retention",
    "spool": "analytics.commands.spool:spool",
}
"""Each command, and its module and function."""


class Commands(click.Group):
    """Shows our own errors as one line for a person; a traceback is for mistakes of the program."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, function = COMMANDS[name].partition(":")
        command: click.Command = getattr(import_module(module), function)
        return command

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except AnalyticsError as error:
            click.echo(f"error: {error}", err=True)
            context.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Usage and cost of LLM calls, over PostgreSQL.

    The database is DATABASE_URL, else [connections.usage] url in .streamlit/secrets.toml, else an embedded
    PostgreSQL.
    """


def run(prog_name: str = "usage-analytics") -> None:
    """The console script."""
    # Whoever is told to end closes what is open: the embedded database ends with its last user.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    main(prog_name=prog_name)


if __name__ == "__main__":
    run("python -m analytics")
