"""What `python -m analytics reprice` and `corrections` print, line by line."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from analytics.corrections.apply import Outcome
from analytics.corrections.preview import ModelCosts, Repricing
from analytics.corrections.record import Correction, moment
from analytics.corrections.selection import Selection
from analytics.corrections.undo import Undoing
from analytics.formatting import MISSING, count, counted, spaced, usd

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


def repricing_lines(repricing: Repricing) -> Iterator[str]:
    """A table of the calls by source and model, and that nothing was changed."""
    yield from _table_lines(repricing)
    if changed_count := repricing.total.changed_count:
        calls = counted(changed_count, "call")
        yield f'nothing was changed: the same again with --apply --reason "..." corrects {calls}'
    else:
        yield _NOTHING_TO_CORRECT


def outcome_lines(outcome: Outcome) -> Iterator[str]:
    """The same table, and what was done."""
    yield from _table_lines(outcome.repricing)
    if outcome.skipped_count:
        calls = counted(outcome.skipped_count, "call")
        yield f"{calls} changed meanwhile and kept what they have: run it again to price them anew"
    if correction := outcome.correction:
        calls = counted(correction.request_count, "call")
        yield f"corrected {calls} from {_before_and_after(correction)}"
        yield f'to undo it: "python -m analytics corrections --undo {correction.id}"'
    else:
        yield _NOTHING_TO_CORRECT if not outcome.skipped_count else "nothing was corrected"


def correction_lines(corrections: Sequence[Correction]) -> Iterator[str]:
    """A paragraph for each: when and which, what it did, who did it and why."""
    for correction in corrections:
        days = f"{correction.first_date} to {correction.last_date} ({correction.timezone})"
        limits = " ".join(filter(None, (correction.source, correction.model)))
        yield f"{correction.id}  {moment(correction.corrected_at)}"
        yield f"  {_shown(correction.client_name)}, {days}{', ' if limits else ''}{_shown(limits)}"
        yield f"  {counted(correction.request_count, 'call')} from {_before_and_after(correction)}"
        yield f"  by {_shown(correction.corrected_by)}: {_shown(correction.reason)}"
        if correction.undone_at and correction.undone_by:
            yield f"  undone by {_shown(correction.undone_by)} at {moment(correction.undone_at)}"
    if not corrections:
        yield 'no corrections: "python -m analytics reprice" makes them'


def undoing_lines(undoing: Undoing) -> Iterator[str]:
    """How many calls are as they were, and which are not."""
    calls = counted(undoing.restored_count, "call")
    yield f"undone: {calls} cost again what they did before correction {undoing.correction.id}"
    if undoing.changed_count:
        yield f"{counted(undoing.changed_count, 'call')} changed since, and left as now"
    if undoing.deleted_count:
        yield f"{counted(undoing.deleted_count, 'call')} deleted since"


_NOTHING_TO_CORRECT = "nothing to correct: each call costs what it is booked with, or keeps it"


def _table_lines(repricing: Repricing) -> Iterator[str]:
    total = repricing.total
    yield _heading(repricing.selection)
    yield ""
    rows = [
        _row(_shown(source), MISSING if model is None else _shown(model), costs)
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
    return f"{_shown(selection.client_name)}, {days}"


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


def _shown(text: str) -> str:
    # Names come from whoever logs calls, and a terminal obeys what it is shown.
    return "".join(character if character.isprintable() else "?" for character in text)
