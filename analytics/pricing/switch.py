"""Which list the installation goes by: the guide's or the public one; switched from a moment on, and back.

The guide's prices are rows of model_prices like all others. The public list is used where they have ended,
and the guide's again where they hold again. What the installation or a client has put a price on itself
stays. So does what calls are booked with.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from analytics.database import Database
from analytics.errors import InvalidInput
from analytics.pricing.price_list import GUIDE_PRICES, ListedPrice
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
    """What becomes of a row of the list."""

    id: UUID | None
    """None: it is a new one."""
    before: ListedPrice | None
    after: ListedPrice | None
    """None: it would hold at no time, and goes."""


@dataclass(frozen=True, kw_only=True)
class Switch:
    """What it takes to go by a list from a moment on."""

    to: ListName
    at: datetime
    changes: Sequence[Change]
    """None of them: that list decides from then on already."""
    own: Sequence[ListedPrice]
    """The installation's own prices that hold then, and stay whichever list it is."""


@dataclass(frozen=True, kw_only=True)
class ListInUse:
    """The list that the installation goes by at a moment."""

    guide: Sequence[ListedPrice]
    """Those of the guide's prices that decide; none of them: the public list does."""
    own: Sequence[ListedPrice]
    """The installation's own prices that decide, whichever list it is."""
    since: datetime | None
    """When it was switched last; None: never."""
    until: datetime | None
    """When it will be switched; None: nobody said so."""

    @property
    def name(self) -> ListName:
        return "guide" if self.guide else "public"


def list_in_use(entries: Iterable[Entry], at: datetime) -> ListInUse:
    """By the installation's entries among these."""
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
    """What to change in these entries; those of clients are left alone."""
    installation = [entry for entry in entries if entry.price.client_id is None]
    guide = [entry for entry in installation if is_guides(entry)]
    own = [entry.price for entry in _deciding([each for each in installation if not is_guides(each)], at)]
    if to == "public":
        changes = list(_endings(guide, at))
    else:
        changes = [change for price in GUIDE_PRICES for change in _revivals(price, guide, own, at)]
    return Switch(to=to, at=at, changes=changes, own=own)


def is_guides(entry: Entry) -> bool:
    """Whether it is one of the guide's prices as those are, and nobody's own decision."""
    price = replace(entry.price, effective_from=None, effective_until=None)
    return price in GUIDE_PRICES and (entry.reference or "").startswith(REFERENCE)


def prices_after(entries: Sequence[Entry], switch: Switch) -> list[ListedPrice]:
    """The prices of these entries and the new ones, once it is done."""
    changed = {change.id for change in switch.changes}
    kept = [entry.price for entry in entries if entry.id not in changed]
    return [*kept, *(change.after for change in switch.changes if change.after is not None)]


def use_list(database: Database, to: ListName, at: datetime, *, by: str) -> Switch:
    """Goes by this list from `at` (with a time zone) on. Done twice, it changes nothing more.

    The same with the other list and the same moment undoes it.

    Raises:
        InvalidInput: it is not said who does it.
        DatabaseError: nothing was changed.
    """
    by = " ".join(by.split())
    if not by or "\0" in by:
        raise InvalidInput("switching the price list needs a name: it is kept with the prices")
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
    """So that this price of the guide's holds from `at` on: in a row that goes on, else in a new one."""
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
    """Of those of one name that hold at `at`, the one that began last; they come with that one first."""
    first: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        if entry.price.holds_at(at):
            first.setdefault(_name(entry.price), entry)
    return list(first.values())


def _name(price: ListedPrice) -> tuple[str, str]:
    return price.source, price.model
