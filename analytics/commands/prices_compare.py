"""`prices compare`: the public list beside LiteLLM's."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import click

from analytics.commands.terminal import printable
from analytics.database import Database
from analytics.formatting import counted
from analytics.migrations import open_ready_database
from analytics.pricing.compare import Difference, differences, known_to_both, litellm_list
from analytics.pricing.list_corrections import CORRECTIONS
from analytics.pricing.public_list import list_name
from analytics.pricing.words import exact

_DAYS = 90
_USED = """
    select distinct source, lower(btrim(model))
    from usage_daily
    where usage_date >= %(first)s and model is not null
    order by 1, 2
"""
_PER = {
    "hour": "hour",
    "character": "1M characters",
    "web_search": "1,000",
    "file_search": "1,000",
    "code_run": "1,000",
}


@click.command("compare")
@click.option(
    "--litellm",
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="LiteLLM's model_prices_and_context_window.json.  [default: that of the installed package]",
)
@click.option("--all", "is_all", is_flag=True, help="All models of both lists, not only those in use.")
def compare(path: Path | None, is_all: bool) -> None:
    """Shows where the public list and LiteLLM's differ, in the models that were used in the last 90 days.

    A price of one's own (prices set) decides at once; the lists change with their next version.
    """
    now = datetime.now(UTC)
    entries = litellm_list(path)
    models = None
    if not is_all:
        with closing(open_ready_database()) as database:
            models = _used(database, now)
    found = differences(entries, now, models)
    compared = known_to_both(entries, models)
    for line in _lines(found, len(compared), None if models is None else len(models)):
        click.echo(printable(line))


def _used(database: Database, now: datetime) -> list[tuple[str, str]]:
    with database.transaction() as connection:
        rows = connection.execute(_USED, {"first": (now - timedelta(days=_DAYS)).date()}).fetchall()
    return [(source.strip().lower(), model) for source, model in rows]


def _lines(found: Sequence[Difference], compared: int, used: int | None) -> Iterator[str]:
    of = "" if used is None else f", of {used:,} in use"
    yield f"{list_name()} and LiteLLM's list both know {counted(compared, 'model')}{of}"
    for each in found:
        tier = f" {each.tier}" if each.tier else ""
        above = f" above {each.above_prompt_tokens:,} tokens" if each.above_prompt_tokens else ""
        meter = each.meter.replace("_", " ")
        yield (
            f"  {each.source} {each.model}{tier}{above}: {meter} {_usd(each.ours_usd)} here, "
            f"{_usd(each.theirs_usd)} there, per {_PER.get(each.meter, '1M tokens')}"
        )
    if not found:
        yield "no price of these differs"
    yield f"corrections of the public list that are applied: {len(CORRECTIONS)}"


def _usd(amount: Decimal | None) -> str:
    return "no price" if amount is None else exact(amount)
