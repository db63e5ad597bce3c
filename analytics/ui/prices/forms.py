"""Forms to change prices: add one, after a preview of its effect, and end one."""

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import streamlit as st

from analytics import charts
from analytics.corrections import Repricing
from analytics.corrections.price_changes import preview_price
from analytics.errors import AnalyticsError
from analytics.pricing.book import PriceBook
from analytics.pricing.editing import add_price, checked_price, end_price
from analytics.pricing.listed import ALL_MODELS, FEES, NAMES, TOKEN_PRICES, ListedPrice, Unit
from analytics.pricing.public_list import listed_snapshots
from analytics.pricing.stored import Entry
from analytics.pricing.words import UNIT_WORDS, in_words
from analytics.ui.frame import reads
from analytics.ui.frame.messages import escaped, explained, show_refusal
from analytics.ui.frame.page import Page, show_only_administrators
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.state import Scope, forget, recall, remember, take
from analytics.ui.parts.headings import show_heading
from analytics.ui.prices.listing import states
from analytics.ui.prices.repricing import forget_repriced, show_repriced

_ANOTHER = "Another model"
_DISCOUNT = "% off"


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """A price whose effect was previewed; exactly this is saved."""

    scope: Scope
    price: ListedPrice
    reference: str
    note: str
    effect: Repricing


@dataclass(frozen=True, kw_only=True)
class _Notice:
    """A message about a change; shown once."""

    text: str


def show_price_forms(page: Page, reading: Reading[PriceBook]) -> None:
    """Two forms for administrators; for others a note on who can change prices."""
    with st.container(border=True, key="new price"):
        show_heading("Change prices")
        if notice := take(_Notice):
            st.success(notice.text, icon=":material/check_circle:")
        owners = _owners(page)
        if not owners:
            show_only_administrators(page, "change prices")
            return
        add, end = st.tabs(["Add a price", "End a price"])
        with add:
            _add(page, reading.value, owners)
        with end:
            _end(page, reading.value, owners)


def _owners(page: Page) -> dict[str, UUID | None]:
    """The owners whose prices this viewer may change, by label."""
    owners: dict[str, UUID | None] = {}
    if page.viewer.administers(page.client):
        owners[f"Only {escaped(page.client.name)}"] = page.client.id
    if page.viewer.sees_all_clients:
        owners["All clients"] = None
    return owners


def _add(page: Page, book: PriceBook, owners: dict[str, UUID | None]) -> None:
    named = [(used.source, used.model) for used in book.used if used.model]
    labels = {f"{charts.source_name(source)} · {model}": (source, model) for source, model in named}
    left, right = st.columns(2, gap="medium")
    label = left.selectbox("Model", [*labels, _ANOTHER], help="Models without a price come first.")
    owner = right.segmented_control("For", list(owners), default=next(iter(owners)), required=True)
    source, model = labels.get(label, ("", ""))
    if label == _ANOTHER:
        source = left.text_input("Provider, as calls name it", placeholder="openai")
        model = right.text_input(
            "Model, as calls name it", placeholder=f"gpt-4o, my-deploy-*, or {ALL_MODELS} for all"
        )
    kind = left.selectbox(
        "Per",
        [*UNIT_WORDS.values(), _DISCOUNT],
        help="Minutes are of audio, characters of speech. % off is a discount on the public price.",
    )
    unit: Unit = next((unit for unit, words in UNIT_WORDS.items() if words == kind), "1M tokens")
    begin = right.date_input(
        "From the beginning of", page.days.first, help="Calls before that day keep their price."
    )
    given = _amounts(unit, is_discount=kind == _DISCOUNT)
    left, right = st.columns(2, gap="medium")
    reference = left.text_input("Source", placeholder="a contract or a link", max_chars=200)
    note = right.text_input("Note", placeholder="optional", max_chars=200)
    if st.button("Preview the effect", icon=":material/visibility:"):
        client_id = owners[owner]
        try:
            price = checked_price(
                source=source,
                model=model or "",
                unit=unit,
                **given,
                client_id=client_id,
                effective_from=_moment(page, begin, client_id),
            )
        except AnalyticsError as error:
            forget(_Draft)
            show_refusal(error)
            return
        with explained(), st.spinner("Pricing every call"):
            effect = preview_price(page.database, page.client.id, price, page.days)
        by = f"entered by {page.viewer.email}" if page.viewer.email else ""
        notes = "; ".join(filter(None, (note.strip(), by)))
        remember(
            _Draft(
                scope=page.scope,
                price=price,
                reference=reference,
                note=notes,
                effect=effect,
            )
        )
    draft = recall(_Draft)
    if draft is not None and draft.scope == page.scope:
        _show_draft(page, draft, owners)


def _amounts(unit: Unit, *, is_discount: bool) -> dict[str, Any]:
    """The fields of the amounts: the usual ones in sight, others behind an expander."""
    columns = st.columns(3, gap="medium")
    given: dict[str, Any] = {}
    more: dict[str, str] = {}
    if is_discount:
        given["discount_percent"] = columns[0].text_input(
            "Percent off",
            placeholder="20",
            help="Of the whole public price, fees included. -10 is a surcharge.",
        )
    elif unit == "1M tokens":
        given["input_usd"] = columns[0].text_input("Input, USD", placeholder="0.15")
        more["cached_input_usd"] = columns[1].text_input("Cached input, USD", placeholder="as input")
        given["output_usd"] = columns[2].text_input("Output, USD", placeholder="0.60")
    else:
        given["input_usd"] = columns[0].text_input("USD", placeholder="0.006")
    with st.expander("Service tier" if is_discount else "Other kinds, tiers and long prompts"):
        columns = st.columns(3, gap="medium")
        fields = [("service_tier", "Service tier", "the ordinary one", given)]
        if not is_discount:
            if unit == "1M tokens":
                fields.append(("above_prompt_tokens", "For prompts above, tokens", "of any length", given))
                fields += [
                    (name, f"{NAMES[name].capitalize()}, USD", "not covered", more)
                    for name in TOKEN_PRICES
                    if name != "cached_input_usd"
                ]
            fields += [
                (name, f"{NAMES[name].capitalize()}, USD per 1,000", "not covered", more) for name in FEES
            ]
        for index, (name, label, placeholder, where) in enumerate(fields):
            where[name] = columns[index % 3].text_input(label, placeholder=placeholder, key=f"price {name}")
        if not is_discount:
            st.caption(
                "A call that uses what has no price here is estimated, or unpriced where that would be far "
                "off: it never costs what text does without a word."
            )
    return given | {"more_usd": more}


def _show_draft(page: Page, draft: _Draft, owners: dict[str, UUID | None]) -> None:
    """The draft, its effect, and the button that saves it."""
    price = draft.price
    st.divider()
    st.markdown(f"**{escaped(in_words(price))}**")
    _show_effect(page, price, draft.effect)
    if st.button("Save this price", type="primary", icon=":material/save:"):
        owner = None if price.client_id is None else UUID(price.client_id)
        if owner not in owners.values():  # a viewer's rights may have ended since
            return
        try:
            add_price(page.database, price, reference=draft.reference, note=draft.note)
        except AnalyticsError as error:
            show_refusal(error)
            return
        forget(_Draft)
        _done(f"Saved: {in_words(price)}.")


def _show_effect(page: Page, price: ListedPrice, effect: Repricing) -> None:
    st.caption(
        f"Its effect on the calls of {escaped(page.client.name)}, {page.period}. They keep their booked cost "
        "until somebody reprices them; new calls get this price."
        + (" Calls of other clients are not included." if price.client_id is None else "")
        + (" Filters do not apply to it." if page.filters else "")
    )
    if price.client_id is None and (dated := listed_snapshots(price.source, price.model)):
        st.caption(
            "Dated snapshots that are in the public list keep their price there: "
            f"{escaped(', '.join(dated))}. Add a price for each that has another one."
        )
    show_repriced(effect, only_changed=True)


def _end(page: Page, book: PriceBook, owners: dict[str, UUID | None]) -> None:
    open_ended = {
        f"{in_words(entry.price)}": entry
        for entry, state in states(book.entries, page.now)
        if state == "In force" and _owner(entry) in owners.values()
    }
    if not open_ended:
        st.caption("There is no price in force that you may end.")
        return
    label = st.selectbox("Price", list(open_ended), index=None, placeholder="Choose a price")
    end = st.date_input("It ends at the beginning of", page.client.today(page.now))
    st.caption(
        "The price stays in the list for earlier calls. Later calls take their price from the next list; "
        "they are unpriced if none has one."
    )
    if st.button("End this price", disabled=label is None, icon=":material/event_busy:") and label:
        entry = open_ended[label]
        at = _moment(page, end, _owner(entry))
        try:
            end_price(page.database, entry.id, at, client_id=_owner(entry))
        except AnalyticsError as error:
            show_refusal(error)
            return
        _done(f"Ended at {at:%Y-%m-%d %H:%M} {at.tzinfo}: {label}.")


def _done(message: str) -> None:
    forget_repriced()
    reads.forget()
    remember(_Notice(text=escaped(message)))
    st.rerun()


def _owner(entry: Entry) -> UUID | None:
    return None if entry.price.client_id is None else UUID(entry.price.client_id)


def _moment(page: Page, day: date, client_id: UUID | None) -> datetime:
    """The start of the day: in the client's time zone, or in UTC for the installation."""
    return datetime.combine(day, time.min, ZoneInfo(page.client.timezone if client_id else "UTC"))
