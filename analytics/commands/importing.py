"""`import`: calls and reports from files."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import click

from analytics.clients import find_client, find_or_create_client
from analytics.commands.importing_words import became_lines, report_lines, summary_lines
from analytics.commands.retention import is_archive, restore_lines
from analytics.commands.terminal import day_of
from analytics.database import Database
from analytics.errors import InvalidInput, UnknownClient
from analytics.importing import (
    COLUMNS,
    FORMATS,
    TARGETS,
    CallReader,
    ImportPlan,
    ImportReport,
    Summary,
    copy_spend_logs,
    doubled,
    import_files,
    is_report,
    plan_import,
    price_list,
    regrouped,
    rejects_of,
    sources_of,
)
from analytics.migrations import open_ready_database

_FORMATS = [*(each.name for each in FORMATS), COLUMNS]


@click.command("import")
@click.argument("inputs", metavar="FILE...", nargs=-1, required=True)
@click.option("--client", required=True, help="Name or id; a name that no client has creates one.")
@click.option("--client-timezone", default="UTC", show_default=True, help="Of a client that is created.")
@click.option("--dry-run", is_flag=True, help="Shows sums per day and model, and stores nothing.")
@click.option(
    "--format",
    "kind",
    metavar="FORMAT",
    help=f"Instead of what the columns show: {', '.join(_FORMATS)} (columns by their names).",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="TARGET=COLUMN",
    help=f"Which column of the file fills what, again and again: {', '.join(TARGETS)}, tag.<key>, "
    "metadata.<key>. In JSON, usage.prompt_tokens is the prompt_tokens of the object usage.",
)
@click.option(
    "--set",
    "forced",
    multiple=True,
    metavar="TARGET=VALUE",
    help="What all calls have, such as tag.team=support.",
)
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="COLUMN=VALUES",
    help="Only rows like status=success, or status!=failure,cancelled; all of several hold.",
)
@click.option("--from", "first_date", metavar="DATE", help="Leaves out what was before that day.")
@click.option("--to", "last_date", metavar="DATE", help="Leaves out what was after that day.")
@click.option("--decimal", metavar="MARK", help="What stands before decimals, . or ,")
@click.option("--date-format", help="Of times, such as %d/%m/%Y %H:%M.")
@click.option("--encoding", help="Such as utf-16 or latin-1, where it is not seen.")
@click.option("--source", help="Of calls for which the file names none, such as openai.")
@click.option("--model", help="Of calls for which the file names none, such as gpt-4.")
@click.option("--phone", help="Of calls for which the file names none.")
@click.option("--timezone", default="UTC", show_default=True, help="Of timestamps that name none.")
@click.option("--shift-to", type=click.Choice(["now"]), help="Moves the last call to the present.")
@click.option("--url", help="LiteLLM's own database: `import litellm --url postgresql://...`.")
@click.option("--rejects", type=click.Path(path_type=Path), help="Instead of FILE.rejects.csv.")
def import_log(
    inputs: tuple[str, ...],
    client: str,
    client_timezone: str,
    dry_run: bool,
    columns: tuple[str, ...],
    forced: tuple[str, ...],
    conditions: tuple[str, ...],
    first_date: str | None,
    last_date: str | None,
    shift_to: str | None,
    url: str | None,
    rejects: Path | None,
    encoding: str | None,
    timezone: str,
    **options: str | None,
) -> None:
    """Loads calls from files of whatever you have; the same files again add nothing.

    FILE may be a folder, a pattern such as 'logs/*.csv', a .zip or .gz, or - for standard input. It is CSV,
    JSON or JSON Lines, of any of the formats below or with columns that say what they are.

    An archive of `python -m analytics retention` brings back the calls that went there.

    `import litellm --url` reads the spend logs of LiteLLM's database, again and again: what is new.
    """
    mark_as_read: Callable[[], None] | None = None
    if len(inputs) == 1 and is_archive(inputs[0]):
        with closing(open_ready_database(report=click.echo)) as database:
            restore_lines(database, client, first_date, inputs[0])
        return
    if url is not None:
        if inputs != ("litellm",):
            raise InvalidInput(
                '--url is of LiteLLM\'s database: write "import litellm --url postgresql://..."'
            )
        path = click.get_current_context().with_resource(_directory()) / "litellm.jsonl"
        count, mark_as_read = copy_spend_logs(url, path, client=client)
        if not count:
            click.echo("nothing to do: LiteLLM has logged nothing since the last time")
            return
        inputs, options["kind"], rejects = (str(path),), "litellm", rejects or Path("litellm.rejects.csv")
    constants = {name: options[name] for name in ("source", "model", "phone") if options[name] is not None}
    plans, unread = _plans(
        inputs,
        encoding,
        columns=_mapping("--column", "created_at=TIMESTAMP", columns),
        forced=_mapping("--set", "tag.team=support", forced),
        constants=constants,
        where=conditions,
        format=options["kind"],
        timezone=timezone,
        decimal=options["decimal"],
        date_format=options["date_format"],
        first_date=None if first_date is None else day_of("--from", first_date),
        last_date=None if last_date is None else day_of("--to", last_date),
    )
    for line in became_lines(plans, unread):
        click.echo(line)
    with closing(open_ready_database(report=click.echo)) as database:
        if dry_run:
            _show(database, plans, client, ZoneInfo(timezone))
            return
        if any(map(is_report, plans)):
            _refuse_doubles(database, plans, _known_client(database, client), client)
        client_id, is_new = find_or_create_client(database, client, timezone=client_timezone)
        if is_new:
            click.echo(f'created client "{client}" ({client_id}) with the time zone {client_timezone}')
        report = _load(database, plans, client_id, shift_to, rejects or _rejects_of(inputs, plans))
    for line in report_lines(report, plans):
        click.echo(line)
    if mark_as_read is not None:
        mark_as_read()


@contextmanager
def _directory() -> Iterator[Path]:
    with TemporaryDirectory(prefix="usage-import-") as name:
        yield Path(name)


def _plans(
    inputs: Sequence[str], encoding: str | None, **options: Any
) -> tuple[list[ImportPlan], dict[str, str]]:
    """The plans of the files; why others in folders and archives are not read, by name."""
    sources = sources_of(inputs, encoding=encoding)
    plans, unread = [], {}
    for source in sources:
        try:
            plans.append(plan_import(source, **options))
        except InvalidInput as error:
            if len(sources) == 1 or str(source.path) in inputs:
                raise
            unread[source.name] = str(error)
    if not plans:
        name, why = next(iter(unread.items()))
        raise InvalidInput(f"none of {len(unread)} files can be read; {name}: {why}")
    return plans, unread


def _show(database: Database, plans: Sequence[ImportPlan], client: str, zone: ZoneInfo) -> None:
    client_id = _known_client(database, client)
    summary = _summary(database, plans, client_id, zone)
    twice = [*doubled(database, client_id, summary), *regrouped(database, client_id, summary)]
    for line in summary_lines(summary, plans, twice):
        click.echo(line)


def _known_client(database: Database, client: str) -> UUID:
    """Its id; where there is none yet one that nobody has."""
    try:
        return find_client(database, client).id
    except UnknownClient:
        return uuid4()


def _refuse_doubles(database: Database, plans: Sequence[ImportPlan], client_id: UUID, client: str) -> None:
    summary = _summary(database, plans, client_id, ZoneInfo("UTC"))
    twice = list(doubled(database, client_id, summary))
    if twice:
        raise InvalidInput(
            f'"{client}": {"; ".join(twice)}: they would count twice. Leave those days out with --from or '
            f'--to, or keep the report apart with another client, such as --client "{client}, reported"'
        )
    if again := list(regrouped(database, client_id, summary)):
        raise InvalidInput(
            f'"{client}": {"; ".join(again)}: the same usage would count twice. Export it grouped as before, '
            "or leave those days out with --from or --to"
        )


def _summary(database: Database, plans: Sequence[ImportPlan], client_id: UUID, zone: ZoneInfo) -> Summary:
    summary = Summary(timezone=zone)
    with _bar(plans, "looking at", lambda: summary.read) as bar:
        return summary.add(CallReader(price_list(database), client_id).read(plans, progress=bar.update))


def _load(
    database: Database,
    plans: Sequence[ImportPlan],
    client_id: UUID,
    shift_to: str | None,
    rejects_path: Path,
) -> ImportReport:
    report = ImportReport()
    with _bar(plans, "loading", lambda: report.read, passes=2 if shift_to else 1) as bar:
        return import_files(
            database,
            plans,
            client_id=client_id,
            shift_to=datetime.now(UTC) if shift_to else None,
            rejects_path=rejects_path,
            progress=bar.update,
            report=report,
        )


def _bar(
    plans: Sequence[ImportPlan], doing: str, rows: Callable[[], int], *, passes: int = 1
) -> AbstractContextManager[Any]:
    """A bar of the bytes that were read, with the rows per second."""
    name = plans[0].file.path.name if len(plans) == 1 else f"{len(plans):,} files"
    began = time.monotonic()
    return click.progressbar(
        length=sum(plan.file.size_bytes for plan in plans) * passes,
        label=f"{doing} {name}",
        item_show_func=lambda _: f"{rows() / max(time.monotonic() - began, 0.001):,.0f} rows/s",
    )


def _rejects_of(inputs: Sequence[str], plans: Sequence[ImportPlan]) -> Path:
    """Beside a file; where there are several sources, in the directory in which the command runs."""
    only = plans[0].file.source
    if len(plans) == 1 and not only.is_standard_input and not only.member:
        return rejects_of(only.path)
    return Path("import.rejects.csv")


def _mapping(option: str, example: str, pairs: Sequence[str]) -> dict[str, str]:
    mapping = {}
    for text in pairs:
        target, equals, value = text.partition("=")
        if not equals or not value:
            raise InvalidInput(f'{option} must be like {example}, not "{text}"')
        mapping[target.strip()] = value.strip()
    return mapping
