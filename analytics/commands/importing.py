"""`import`: a log of calls from a file."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click

from analytics.clients import find_or_create_client
from analytics.errors import InvalidInput
from analytics.formatting import counted
from analytics.importing import TARGETS, ImportReport, import_file, plan_import
from analytics.migrations import open_ready_database


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--client", required=True, help="Name or id; a name that no client has creates one.")
@click.option("--client-timezone", default="UTC", show_default=True, help="Of a client that is created.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="TARGET=COLUMN",
    help=f"Which column of the file fills what, again and again: {', '.join(TARGETS)}, tag.<key>. In JSON, "
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
    updated = f"{report.updated:,} updated, " if report.updated else ""
    yield (
        f"{counted(report.read, 'row')} read: {report.stored:,} stored, {updated}"
        f"{report.already_there:,} already there, {report.rejected:,} rejected"
    )
    if report.first_at and report.last_at:
        yield f"calls from {report.first_at:%Y-%m-%d %H:%M} to {report.last_at:%Y-%m-%d %H:%M} UTC"
    if report.unpriced:
        yield f"{counted(report.unpriced, 'call')} stored without a cost: no price is known for the model"
    if report.rejects_path:
        yield f"see {report.rejects_path} for what was rejected and why"
