"""The command line: `python -m analytics`."""

import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from analytics import demo
from analytics.clients import find_or_create_client, has_clients
from analytics.commands.access import keys, members
from analytics.commands.corrections import correction_lines, outcome_lines, repricing_lines, undoing_lines
from analytics.commands.doctor import doctor
from analytics.commands.export import export
from analytics.commands.prices import prices
from analytics.commands.spool import replay_lines, spool_lines
from analytics.commands.terminal import person
from analytics.config import access_settings
from analytics.corrections import correct, list_corrections, select_calls, survey_costs, undo
from analytics.database import Database, open_database
from analytics.errors import AnalyticsError, InvalidInput
from analytics.formatting import counted
from analytics.importing import TARGETS, ImportReport, import_file, plan_import
from analytics.migrations import apply_migrations, as_one_text, open_ready_database


class Commands(click.Group):
    """Shows our own errors as one line for a person; a traceback is for mistakes of the program."""

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


main.add_command(members)
main.add_command(keys)
main.add_command(doctor)
main.add_command(export)
main.add_command(prices)


@main.command()
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


@main.command("demo")
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


@main.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--client", required=True, help="Name or id; a name that no client has creates one.")
@click.option("--client-timezone", default="UTC", show_default=True, help="Of a client that is created.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="TARGET=COLUMN",
    help=f"Which column of the file fills what, again and again: {', '.join(TARGETS)}. In JSON, "
    "usage.prompt_tokens is the prompt_tokens of the object usage.",
)
@click.option("--source", help="Of calls for which the file names none, such as openai.")
@click.option("--model", help="Of calls for which the file names none, such as gpt-4.")
@click.option("--phone", help="Of calls for which the file names none.")
@click.option("--timezone", default="UTC", show_default=True, help="Of timestamps that name none.")
@click.option("--shift-to", type=click.Choice(["now"]), help="Moves the file's last call to the present.")
@click.option("--rejects", type=click.Path(path_type=Path), help="Instead of FILE.rejects.csv.")
def import_log(
    file: Path,
    client: str,
    client_timezone: str,
    columns: tuple[str, ...],
    source: str | None,
    model: str | None,
    phone: str | None,
    timezone: str,
    shift_to: str | None,
    rejects: Path | None,
) -> None:
    """Loads a CSV or JSON Lines log of calls; the same file again adds nothing.

    A column that is called like what it fills needs no --column.
    """
    constants = {"source": source, "model": model, "phone": phone}
    plan = plan_import(
        file,
        columns=_mapping(columns),
        constants={target: value for target, value in constants.items() if value is not None},
        timezone=timezone,
    )
    passes = 2 if shift_to else 1
    with closing(open_ready_database(report=click.echo)) as database:
        client_id, is_new = find_or_create_client(database, client, timezone=client_timezone)
        if is_new:
            click.echo(f'created client "{client}" ({client_id}) with the time zone {client_timezone}')
        with click.progressbar(length=plan.file.size_bytes * passes, label=file.name) as bar:
            report = import_file(
                database,
                plan,
                client_id=client_id,
                shift_to=datetime.now(UTC) if shift_to else None,
                rejects_path=rejects,
                progress=bar.update,
            )
    for line in _import_lines(report):
        click.echo(line)


def _mapping(columns: tuple[str, ...]) -> dict[str, str]:
    mapping = {}
    for text in columns:
        target, equals, column = text.partition("=")
        if not equals or not column:
            raise InvalidInput(f'--column must be like created_at=TIMESTAMP, not "{text}"')
        mapping[target.strip()] = column.strip()
    return mapping


def _import_lines(report: ImportReport) -> Iterator[str]:
    yield (
        f"{counted(report.read, 'row')} read: {report.stored:,} stored, "
        f"{report.already_there:,} already there, {report.rejected:,} rejected"
    )
    if report.first_at and report.last_at:
        yield f"calls from {report.first_at:%Y-%m-%d %H:%M} to {report.last_at:%Y-%m-%d %H:%M} UTC"
    if report.unpriced:
        yield f"{counted(report.unpriced, 'call')} stored without a cost: no price is known for the model"
    if report.rejects_path:
        yield f"see {report.rejects_path} for what was rejected and why"


@main.command()
@click.argument("name")
@click.option("--timezone", default="UTC", show_default=True, help="Of a client that is created.")
def client(name: str, timezone: str) -> None:
    """Prints the id of the client with this name; one that is not there yet is created."""
    with closing(open_ready_database()) as database:
        client_id, is_new = find_or_create_client(database, name, timezone=timezone)
    if is_new:
        click.echo(f'created client "{name}" with the time zone {timezone}', err=True)
    click.echo(client_id)


@main.command()
@click.option("--replay", is_flag=True, help="Ships it now, and again what was set aside.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another spool than that of the configured database, such as that of one which has moved.",
)
def spool(replay: bool, file: Path | None) -> None:
    """Shows the calls of this machine that are not in the database yet."""
    for line in replay_lines(file) if replay else spool_lines(file):
        click.echo(line)


@main.command()
@click.option("--client", required=True, help="Name or id.")
@click.option("--from", "first_date", required=True, metavar="DATE", help="First day, in the client's zone.")
@click.option("--to", "last_date", required=True, metavar="DATE", help="Last day, included.")
@click.option("--source", help="Only calls of this one, such as openai.")
@click.option("--model", help="Only calls of this one, such as gpt-4.")
@click.option("--apply", "is_applied", is_flag=True, help="Corrects the booked costs, which else stay.")
@click.option("--reason", help="Why; kept with the correction.")
@click.option("--by", help="Who; kept with the correction.  [default: the user of this machine]")
def reprice(
    client: str,
    first_date: str,
    last_date: str,
    source: str | None,
    model: str | None,
    is_applied: bool,
    reason: str | None,
    by: str | None,
) -> None:
    """Shows what calls are booked with, and what they would cost by the price lists as they are now."""
    days = _day("--from", first_date), _day("--to", last_date)
    if is_applied and reason is None:
        raise InvalidInput('--apply needs --reason "why", which is kept with the correction')
    with closing(open_ready_database(report=click.echo)) as database:
        calls = select_calls(database, client, *days, source=source, model=model)
        if is_applied and reason is not None:
            lines = outcome_lines(correct(database, calls, by=person(by), reason=reason))
        else:
            lines = repricing_lines(survey_costs(database, calls))
        for line in lines:
            click.echo(line)


@main.command()
@click.option("--client", help="Only those of this one: name or id.")
@click.option("--undo", "undone_id", metavar="ID", help="Gives the calls of this one what they had before.")
@click.option("--by", help="Who undoes it.  [default: the user of this machine]")
def corrections(client: str | None, undone_id: str | None, by: str | None) -> None:
    """Lists the corrections of booked costs, the newest first, or undoes one."""
    with closing(open_ready_database(report=click.echo)) as database:
        if undone_id is not None:
            lines = undoing_lines(undo(database, undone_id, by=person(by)))
        else:
            lines = correction_lines(list_corrections(database, client=client))
        for line in lines:
            click.echo(line)


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(f'{option} must be a day such as 2026-03-18, not "{text}"') from None


@main.command()
def fold() -> None:
    """Moves pending sums into the rollups. Numbers are right without it; reads get faster."""
    with closing(open_ready_database(report=click.echo)) as database:
        click.echo(f"folded {counted(database.fold(), 'pending row')}")


if __name__ == "__main__":
    # Whoever is told to end closes what is open: the embedded database ends with its last user.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    main(prog_name="python -m analytics")
