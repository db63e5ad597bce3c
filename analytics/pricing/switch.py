"""Switches the installation between the guide's list and the public one, from a moment on.

The guide's prices are rows of model_prices like all others. The public list applies where they have ended,
and the guide's list where they hold again. The own prices of the installation and of clients stay, and so do
booked costs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from analytics.database import Database
from analytics.errors import InvalidInput
from analytics.pricing.listed import ListedPrice
from analytics.pricing.price_list import GUIDE_PRICES
from analytics.pricing.stored import Entry, read_entries

ListName = Literal["guide", "public"]

REFERENCE = "usage tracking guide"

_LOCK = "lock table model_prices in share row exclusive mode"
_SET_END = """
    update model_prices
    set
        effective_until = coalesce(%(until)s::timestamptz, 'infinity'),
        note = right(concat_ws('; ', note, %(note)s::text), 500),
        changed_at = now()
    where id = %(id)s
"""
_ADD = """
    insert into model_prices (
        source, model, unit, input_usd, cached_input_usd, output_usd, effective_from, reference, note
    )
    values (
        %(source)s, %(model)s, %(unit)s, %(input_usd)s, %(cached_input_usd)s, %(output_usd)s,
        %(effective_from)s, %(reference)s, %(note)s
    )
"""
_REMOVE = "delete from model_prices where id = %(id)s"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of one row of the list."""

    id: UUID | None
    """None: the row is new."""
    before: ListedPrice | None
    after: ListedPrice | None
    """None: the row is deleted, as it would never hold."""


@dataclass(frozen=True, kw_only=True)
class Switch:
    """The changes that make the installation use a list from a moment on."""

    to: ListName
    at: datetime
    changes: Sequence[Change]
    """Empty: that list applies from then on already."""
    own: Sequence[ListedPrice]
    """The installation's own prices that hold then; a switch leaves them."""


@dataclass(frozen=True, kw_only=True)
class ListInUse:
    """The list that the installation uses at a moment."""

    guide: Sequence[ListedPrice]
    """The guide's prices that hold; empty: the public list applies."""
    own: Sequence[ListedPrice]
    """The installation's own prices that hold, whichever list is used."""
    since: datetime | None
    """The last switch; None: there was none."""
    until: datetime | None
    """The next switch; None: there is none."""

    @property
    def name(self) -> ListName:
        return "guide" if self.guide else "public"


def list_in_use(entries: Iterable[Entry], at: datetime) -> ListInUse:
    """The list in use by these entries; those of clients do not count."""
    installation = [entry for entry in entries if entry.price.client_id is None]
    deciding = _deciding(installation, at)
    guide = [entry.price for entry in installation if is_guides(entry)]
    turns = {turn for price in guide for turn in (price.effective_from, price.effective_until) if turn}
    return ListInUse(
        guide=[entry.price for entry in deciding if is_guides(entry)],
        own=[entry.price for entry in deciding if not is_guides(entry)],
        since=max((turn for turn in turns if turn <= at), default=None),
        until=min((turn for turn in turns if turn > at), default=None),
    )


def plan_switch(entries: Sequence[Entry], to: ListName, at: datetime) -> Switch:
    """The changes to these entries; those of clients stay."""
    installation = [entry for entry in entries if entry.price.client_id is None]
    guide = [entry for entry in installation if is_guides(entry)]
    own = [entry.price for entry in _deciding([each for each in installation if not is_guides(each)], at)]
    if to == "public":
        changes = list(_endings(guide, at))
    else:
        changes = [change for price in GUIDE_PRICES for change in _revivals(price, guide, own, at)]
    return Switch(to=to, at=at, changes=changes, own=own)


def is_guides(entry: Entry) -> bool:
    """Whether it is one of the guide's prices, unchanged, and not an own price."""
    price = replace(entry.price, effective_from=None, effective_until=None)
    return price in GUIDE_PRICES and (entry.reference or "").startswith(REFERENCE)


def prices_after(entries: Sequence[Entry], switch: Switch) -> list[ListedPrice]:
    """The prices after the switch."""
    changed = {change.id for change in switch.changes}
    kept = [entry.price for entry in entries if entry.id not in changed]
    return [*kept, *(change.after for change in switch.changes if change.after is not None)]


def use_list(database: Database, to: ListName, at: datetime, *, by: str) -> Switch:
    """Uses this list from `at` (with a time zone) on. A second run changes nothing.

    The same with the other list and the same moment undoes it.

    Raises:
        InvalidInput: `by` is empty.
        DatabaseError: nothing was changed.
    """
    by = " ".join(by.split())
    if not by or "\0" in by:
        raise InvalidInput(f"a switch is stored with the name of who makes it, which cannot be {by!r}")
    with database.transaction() as connection:
        connection.execute(_LOCK)
        switch = plan_switch(read_entries(connection), to, at)
        for change in switch.changes:
            after = change.after
            if after is None:
                connection.execute(_REMOVE, {"id": change.id})
            elif change.id is None:
                note = f"used from then on by {by}"
                connection.execute(_ADD, vars(after) | {"reference": REFERENCE, "note": note})
            else:
                until = after.effective_until
                note = f"{'ended' if until else 'used again'} by {by}"
                connection.execute(_SET_END, {"id": change.id, "until": until, "note": note})
    return switch


def _endings(guide: Iterable[Entry], at: datetime) -> Iterator[Change]:
    for entry in guide:
        begin, end = entry.price.effective_from, entry.price.effective_until
        if end is not None and end <= at:
            continue
        had_begun = begin is None or begin < at
        after = replace(entry.price, effective_until=at) if had_begun else None
        yield Change(id=entry.id, before=entry.price, after=after)


def _revivals(
    price: ListedPrice, guide: Iterable[Entry], own: Iterable[ListedPrice], at: datetime
) -> Iterator[Change]:
    """Makes this price of the guide hold from `at` on: it extends a row, or adds one."""
    rows = [entry for entry in guide if _name(entry.price) == _name(price)]
    later = [entry for entry in rows if entry.price.effective_from and entry.price.effective_from > at]
    until_then = [
        entry
        for entry in rows
        if entry not in later and (entry.price.effective_until is None or entry.price.effective_until >= at)
    ]
    if any(entry.price.effective_until is None for entry in until_then):
        return
    if until_then:
        last = until_then[0]
        yield Change(id=last.id, before=last.price, after=replace(last.price, effective_until=None))
    elif any(_name(each) == _name(price) for each in own):
        return
    else:
        yield Change(id=None, before=None, after=replace(price, effective_from=at))
    for entry in later:
        yield Change(id=entry.id, before=entry.price, after=None)


def _deciding(entries: Iterable[Entry], at: datetime) -> list[Entry]:
    """The entries that decide at `at`: of each kind the one that began last, which comes first."""
    first: dict[tuple[object, ...], Entry] = {}
    for entry in entries:
        if entry.price.holds_at(at):
            first.setdefault(_name(entry.price), entry)
    return list(first.values())


def _name(price: ListedPrice) -> tuple[object, ...]:
    """That of which there is one price at a time."""
    return price.source, price.model, price.service_tier, price.above_prompt_tokens
