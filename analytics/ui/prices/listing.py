"""Prices of the models in use, and the price list."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import streamlit as st

from analytics import charts, formatting
from analytics.errors import InvalidInput
from analytics.pricing.book import PriceBook, Quote, UsedModel, load_price_book
from analytics.pricing.listed import ListedPrice
from analytics.pricing.stored import Entry
from analytics.pricing.words import UNIT_WORDS, other_kinds, percent_off
from analytics.queries.filters import YES, spelled
from analytics.ui.frame import reads
from analytics.ui.frame.address import Part
from analytics.ui.frame.messages import escaped
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.ways import Way, calls_with, of_model, show_ways
from analytics.ui.parts.headings import show_heading
from analytics.ui.prices.tables import price_table

_LISTS = {"client": "This client's", "installation": "Installation's"}

_TIMES = "\N{MULTIPLICATION SIGN}"


def _parse_prices(value: str) -> bool:
    if value not in ("now", "all"):
        raise InvalidInput(f'prices must be now or all, not "{value[:40]}"')
    return value == "all"


_ALL = Part(
    name="prices", parse=_parse_prices, default=False, spell=lambda is_all: "all" if is_all else "now"
)


def read_prices(page: Page) -> Reading[PriceBook]:
    """The price lists of the page's client, and its models in the period."""
    return reads.read(
        page.database,
        ("prices", page.client.id, page.days, page.filters),
        lambda moment: load_price_book(
            page.database, page.client.id, page.days, now=moment, filters=page.filters.json()
        ),
        page.now,
    )


def show_unpriced_models(reading: Reading[PriceBook]) -> None:
    """A warning where calls of the period have no price."""
    missing = [used for used in reading.value.used if used.unpriced_count]
    if not missing:
        return
    names = ", ".join(f"{each.source} {each.model or formatting.NO_MODEL}" for each in missing[:3])
    calls = formatting.plural(sum(each.unpriced_count for each in missing), "call")
    wholly = [each for each in missing if each.unpriced_count == each.request_count]
    tokens = formatting.plural(sum(each.total_tokens for each in wholly), "token")
    more = f" Models without any price used {tokens}." if wholly else ""
    st.warning(
        f"**{calls} without a price**: {escaped(names)}{', ...' if len(missing) > 3 else ''}. "
        f"Their cost is missing from all sums.{more}",
        icon=":material/sell:",
    )
    show_ways([calls_with("Show these calls", basis="unpriced")], key="unpriced")


def show_used_models(page: Page, reading: Reading[PriceBook]) -> None:
    """The price of each model in use with its list, and the public price where it differs."""
    used = reading.value.used
    with st.container(border=True, key="used models"):
        show_heading(f"Models in use, {page.period}", "US dollars, by today's lists")
        if not used:
            st.caption("No calls in these days.")
            return
        price_table(
            [_used_row(each) for each in used],
            ("Input", "Output", "Public input", "Public output"),
            key="used models table",
            ways=[calls_with("", **of_model(each.source, each.model)) for each in used],
            cells={"No price": {"basis": "unpriced"}},
        )
        st.caption("Click a model to see its calls.")
        if any(each.differs for each in used):
            st.caption(
                "*Ours / public*: our price divided by the public one, for input / output where they "
                "differ. The public list is genai-prices; it applies only where no other list has a price."
            )
        for each in used:
            if each.correction is not None:
                checked = each.correction.checked
                st.caption(
                    f"The public list is corrected for {escaped(str(each.model))}: "
                    f"{escaped(each.correction.why)}. [Source]({each.correction.source}), "
                    f"{'not read yet' if checked is None else f'read on {checked}'}."
                )


def show_stated_costs(page: Page, reading: Reading[PriceBook]) -> None:
    """The models whose provider says another cost than was booked; nothing where there are none."""
    differing = [each for each in reading.value.stated if each.differs]
    if not differing:
        return
    with st.container(border=True, key="stated costs"):
        show_heading(f"Providers state another cost, {page.period}", "US dollars")
        rows = [
            {
                "Model": each.model or formatting.NO_MODEL,
                "Provider says": each.stated_usd,
                "Booked": each.booked_usd,
                "Difference": each.stated_usd - each.booked_usd,
                "Provider": charts.source_name(each.source),
                "Requests": each.request_count,
            }
            for each in differing
        ]
        price_table(
            rows,
            ("Provider says", "Booked", "Difference"),
            is_cost=True,
            key="stated costs table",
            ways=[
                calls_with("", **of_model(each.source, each.model), **{"has.stated-cost": YES})
                for each in differing
            ],
        )
        st.caption(
            "Only calls whose provider or gateway states a cost, and only where the two differ by more than "
            "half a percent. A discount, a tier or a fee that no list knows is a usual reason; a price of "
            "your own makes the two agree."
        )


def show_price_list(page: Page, reading: Reading[PriceBook]) -> None:
    """The prices of this client and of the installation that are in force, or all of them."""
    with st.container(border=True, key="price list"):
        shows_all = _ALL.value()
        show_heading(
            "Price list", "US dollars", beside=lambda: _ALL.fill_in(st.toggle, "Ended and future prices")
        )
        listed = [
            (entry, state)
            for entry, state in states(reading.value.entries, page.now)
            if shows_all or state == "In force"
        ]
        if listed:
            price_table(
                [_entry_row(entry, state if shows_all else None, page) for entry, state in listed],
                ("Input", "Cached input", "Output"),
                key="price list table",
                ways=[_calls_of(entry.price) for entry, _ in listed],
            )
        else:
            st.caption("No own prices; the public list applies.")
        st.caption(
            "Client prices win over installation prices, and both over the public list. *\\** stands for all "
            "models of a provider, or for any text in a name. Old prices are kept."
        )


def _calls_of(price: ListedPrice) -> Way:
    """The way to calls of the model of a price; of a pattern to those of its provider."""
    if "*" in price.model:
        return calls_with("", provider=spelled(price.source))
    return calls_with("", **of_model(price.source, price.model))


def states(entries: Sequence[Entry], now: datetime) -> list[tuple[Entry, str]]:
    """Each entry with its state. Of several for one model, the one that began last is in force."""
    latest: dict[tuple[object, ...], Entry] = {}
    for entry in entries:
        price = entry.price
        key = (price.client_id, price.source, price.model, price.service_tier, price.above_prompt_tokens)
        # Entries for one model are ordered with the last one first.
        if entry.price.holds_at(now):
            latest.setdefault(key, entry)
    result = []
    for entry in entries:
        begins, ends = entry.price.effective_from, entry.price.effective_until
        if any(entry is each for each in latest.values()):
            state = "In force"
        elif begins is not None and begins > now:
            state = "To come"
        else:
            state = "Ended" if ends is not None and ends <= now else "Replaced"
        result.append((entry, state))
    return result


def _used_row(used: UsedModel) -> dict[str, Any]:
    return {
        "Provider": charts.source_name(used.source),
        "Model": used.model or formatting.NO_MODEL,
        **_amounts(used.quote, "Input", "Output"),
        "per": None if used.quote is None else UNIT_WORDS[used.quote.unit],
        "Price list": "No price" if used.quote is None else _LISTS.get(used.quote.list_name, "Public"),
        "Ours / public": _ratio(used),
        **_amounts(used.public, "Public input", "Public output"),
        "Requests": used.request_count,
        "Tokens": used.total_tokens,
        "No price": used.unpriced_count,
    }


def _amounts(quote: Quote | None, input_name: str, output_name: str) -> dict[str, Decimal | None]:
    if quote is None:
        return {input_name: None, output_name: None}
    return {input_name: quote.input_usd, output_name: quote.output_usd}


def _ratio(used: UsedModel) -> str | None:
    if not used.differs:
        return None
    input_ratio, output_ratio = used.ratios
    if output_ratio is None or input_ratio == output_ratio:
        return _times(input_ratio)
    return f"{_times(input_ratio)} / {_times(output_ratio)}"


def _times(ratio: Decimal | None) -> str:
    if ratio is None:
        return formatting.MISSING
    return f"{round(ratio, 2).normalize():f}{_TIMES}" if ratio else "free"


def _entry_row(entry: Entry, state: str | None, page: Page) -> dict[str, Any]:
    price = entry.price
    return {
        "List": _LISTS["installation" if price.client_id is None else "client"],
        "Provider": charts.source_name(price.source),
        "Model": price.model,
        "Tier": price.service_tier,
        "Prompts above": price.above_prompt_tokens,
        "Discount": None if price.discount_percent is None else percent_off(price.discount_percent),
        "Input": None if price.discount_percent is not None else price.input_usd,
        "Cached input": price.cached_input_usd,
        "Output": price.output_usd if price.unit == "1M tokens" and price.discount_percent is None else None,
        "Other kinds": other_kinds(price) or None,
        "per": None if price.discount_percent is not None else UNIT_WORDS[price.unit],
        "State": state,
        "From": _moment(price.effective_from, "always"),
        "Until": _moment(price.effective_until, "further notice"),
        "Source": entry.reference,
        "Note": entry.note,
        "Entered": formatting.age(entry.changed_at, page.now),
    }


def _moment(moment: datetime | None, otherwise: str) -> str:
    return otherwise if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
