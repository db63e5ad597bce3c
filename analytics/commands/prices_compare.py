"""`prices compare`: the public list beside LiteLLM's."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import click

from analytics.commands.terminal import printable
from analytics.database import Database
from analytics.formatting import counted
from analytics.migrations import open_ready_database
from analytics.pricing.compare import Difference, differences, known_to_both, litellm_list, only_theirs
from analytics.pricing.model_names import public_provider
from analytics.pricing.public_model import correction_of, list_name
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
    "place",
    metavar="FILE|URL",
    default="",
    help="LiteLLM's model_prices_and_context_window.json.  [default: that of the installed package]",
)
@click.option("--all", "is_all", is_flag=True, help="All models of both lists, not only those in use.")
def compare(place: str, is_all: bool) -> None:
    """Shows where the public list and LiteLLM's differ, in the models that were used in the last 90 days.

    A price of one's own (prices set) decides at once; the lists change with their next version.
    """
    now = datetime.now(UTC)
    entries = litellm_list(place)
    models = None
    if not is_all:
        with closing(open_ready_database()) as database:
            models = _used(database, now)
    found = differences(entries, now, models)
    compared = known_to_both(entries, models)
    theirs = [] if models is None else only_theirs(entries, models)
    for line in _lines(found, compared, theirs, None if models is None else len(models)):
        click.echo(printable(line))


def _used(database: Database, now: datetime) -> list[tuple[str, str]]:
    with database.transaction() as connection:
        rows = connection.execute(_USED, {"first": (now - timedelta(days=_DAYS)).date()}).fetchall()
    return [(source.strip().lower(), model) for source, model in rows]


def _lines(
    found: Sequence[Difference],
    compared: Sequence[tuple[str, str]],
    theirs: Sequence[tuple[str, str]],
    used: int | None,
) -> Iterator[str]:
    of = "" if used is None else f", of {used:,} in use"
    yield f"{list_name()} and LiteLLM's list both know {counted(len(compared), 'model')}{of}"
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
    for source, model in theirs:
        yield f"  {source} {model}: only LiteLLM's list has a price"
    for source, model in compared:
        correction = correction_of(public_provider(source), model.lower())
        if correction is not None:
            yield (
                f"  {source} {model}: the public list is corrected, as {correction.why} ({correction.cited})"
            )


def _usd(amount: Decimal | None) -> str:
    return "no price" if amount is None else exact(amount)
