"""`reprice` and `corrections`: booked costs beside today's prices, corrected, and corrections undone."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal

import click

from analytics.commands.terminal import days_of, person, printable
from analytics.corrections import (
    Correction,
    CorrectionResult,
    ModelCosts,
    Repricing,
    Selection,
    UndoResult,
    apply_correction,
    list_corrections,
    preview_costs,
    select_calls,
    undo_correction,
)
from analytics.errors import InvalidInput
from analytics.formatting import MISSING, count, counted, spaced, usd, utc_moment
from analytics.migrations import open_ready_database

_NAMES = ("source", "model")
_NUMBERS = (
    "requests",
    "booked",
    "repriced",
    "difference",
    "to correct",
    "unpriced",
    "still unpriced",
    "given",
    "no price now",
)


@click.command()
@click.option("--client", required=True, help="Name or id.")
@click.option("--from", "first_date", required=True, metavar="DATE", help="First day, in the client's zone.")
@click.option("--to", "last_date", required=True, metavar="DATE", help="Last day, included.")
@click.option("--source", help="Only calls of this one, such as openai.")
@click.option("--model", help="Only calls of this one, such as gpt-4.")
@click.option(
    "--plan",
    "payer",
    help="Only calls of which nobody says what pays: this subscription, or none where tokens are paid for.",
)
@click.option("--apply", "is_applied", is_flag=True, help="Corrects the booked costs, which otherwise stay.")
@click.option("--reason", help="Why; kept with the correction.")
@click.option("--by", help="Who; kept with the correction.  [default: the user of this machine]")
def reprice(
    client: str,
    first_date: str,
    last_date: str,
    source: str | None,
    model: str | None,
    payer: str | None,
    is_applied: bool,
    reason: str | None,
    by: str | None,
) -> None:
    """Shows the booked costs of calls beside what they would cost by today's price lists."""
    days = days_of(first_date, last_date)
    if payer is not None and reason is None:
        reason = f"what pays was not known: {payer.strip()}"
    if is_applied and reason is None:
        raise InvalidInput('--apply needs --reason "why", which is kept with the correction')
    with closing(open_ready_database(report=click.echo)) as database:
        calls = select_calls(database, client, days, source=source, model=model, payer=payer)
        if calls.first_date > days.first:
            click.echo(f"calls before {calls.first_date} are kept as sums only: their costs stay as they are")
        if is_applied and reason is not None:
            lines = _result_lines(apply_correction(database, calls, by=person(by), reason=reason))
        else:
            lines = _repricing_lines(preview_costs(database, calls))
        for line in lines:
            click.echo(line)


@click.command()
@click.option("--client", help="Only those of this one: name or id.")
@click.option(
    "--undo", "undone_id", metavar="ID", help="Gives the calls of this correction their old costs back."
)
@click.option("--by", help="Who undoes it.  [default: the user of this machine]")
def corrections(client: str | None, undone_id: str | None, by: str | None) -> None:
    """Lists the corrections of booked costs, the newest first, or undoes one."""
    with closing(open_ready_database(report=click.echo)) as database:
        if undone_id is not None:
            lines = _undo_lines(undo_correction(database, undone_id, by=person(by)))
        else:
            lines = _correction_lines(list_corrections(database, client=client))
        for line in lines:
            click.echo(line)


def _repricing_lines(repricing: Repricing) -> Iterator[str]:
    """A table of the calls by source and model, and that nothing was changed."""
    yield from _table_lines(repricing)
    if changed_count := repricing.total.changed_count:
        calls = counted(changed_count, "call")
        yield f'nothing was changed: the same again with --apply --reason "..." corrects {calls}'
    else:
        yield _NOTHING_TO_CORRECT


def _result_lines(result: CorrectionResult) -> Iterator[str]:
    """The same table, and what was corrected."""
    yield from _table_lines(result.repricing)
    if result.skipped_count:
        calls = counted(result.skipped_count, "call")
        yield f"{calls} changed at the same time and stay as they are: run it again to reprice them"
    if correction := result.correction:
        calls = counted(correction.request_count, "call")
        yield f"corrected {calls} from {_before_and_after(correction)}"
        yield f'to undo it: "python -m analytics corrections --undo {correction.id}"'
    else:
        yield _NOTHING_TO_CORRECT if not result.skipped_count else "nothing was corrected"


def _correction_lines(corrections: Sequence[Correction]) -> Iterator[str]:
    """A paragraph for each: when and which, what it did, who did it and why."""
    for correction in corrections:
        days = f"{correction.first_date} to {correction.last_date} ({correction.timezone})"
        limits = " ".join(filter(None, (correction.source, correction.model)))
        yield f"{correction.id}  {utc_moment(correction.corrected_at)}"
        yield f"  {printable(correction.client_name)}, {days}{', ' if limits else ''}{printable(limits)}"
        yield f"  {counted(correction.request_count, 'call')} from {_before_and_after(correction)}"
        yield f"  by {printable(correction.corrected_by)}: {printable(correction.reason)}"
        if correction.undone_at and correction.undone_by:
            yield f"  undone by {printable(correction.undone_by)} at {utc_moment(correction.undone_at)}"
    if not corrections:
        yield 'no corrections: "python -m analytics reprice" makes them'


def _undo_lines(result: UndoResult) -> Iterator[str]:
    """How many calls are as they were, and which are not."""
    calls = counted(result.restored_count, "call")
    yield f"undone: {calls} cost again what they did before correction {result.correction.id}"
    if result.changed_count:
        yield f"{counted(result.changed_count, 'call')} changed since, and left as now"
    if result.deleted_count:
        yield f"{counted(result.deleted_count, 'call')} deleted since"


_NOTHING_TO_CORRECT = "nothing to correct: each call costs what it is booked with, or keeps its cost"


def _table_lines(repricing: Repricing) -> Iterator[str]:
    total = repricing.total
    yield _heading(repricing.selection)
    if not repricing.by_model:
        yield "of every call it is known whether a subscription pays"
        return
    yield ""
    rows = [
        _row(printable(source), MISSING if model is None else printable(model), costs)
        for (source, model), costs in repricing.by_model.items()
    ]
    yield from _aligned([(*_NAMES, *_NUMBERS), *rows, _row("total", "", total)])
    yield ""
    if total.given_count:
        yield "given: the writer of these calls gave their cost, and they keep it"
    if total.kept_count:
        yield "no price now: these calls keep the cost they have"


def _heading(selection: Selection) -> str:
    days = f"{selection.first_date} to {selection.last_date}, days in {selection.timezone}"
    return f"{printable(selection.client_name)}, {days}"


def _row(source: str, model: str, costs: ModelCosts) -> tuple[str, ...]:
    return (
        source,
        model,
        count(costs.request_count),
        spaced(costs.booked),
        spaced(costs.repriced),
        _signed(costs.difference_usd) if costs.has_difference else MISSING,
        count(costs.changed_count),
        count(costs.unpriced_before),
        count(costs.unpriced_after),
        count(costs.given_count),
        count(costs.kept_count),
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if place < len(_NAMES) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells)


def _before_and_after(correction: Correction) -> str:
    before, after = correction.cost_before_usd, correction.cost_after_usd
    return f"{usd(before)} to {usd(after)} ({_signed(after - before)})"


def _signed(amount: Decimal) -> str:
    """With a plain hyphen, which a terminal's user can search for and paste into a sheet."""
    sign = "-" if amount < 0 else "+" if amount > 0 else ""
    return f"{sign}{usd(abs(amount))}"
