"""Prices: those of the models in use, the price list, and booked costs at today's prices."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from analytics import charts, formatting
from analytics.corrections import ModelCosts, Repricing, select_calls, survey_costs
from analytics.errors import InvalidInput
from analytics.pricing.editing import PriceBook, Quote, UsedModel, load_price_book
from analytics.pricing.entries import Entry
from analytics.ui.frame import reads
from analytics.ui.frame.address import Part
from analytics.ui.frame.dates import Days
from analytics.ui.frame.messages import escaped, explained, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.state import forget, recall, remember
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.tables import harmless, marked_bounds, show_table

MAX_ROWS = 12  # in sight
_LISTS = {"client": "This client's", "installation": "Installation's"}

# Columns that are hidden where they are empty or zero.
_HIDE_WHEN_EMPTY = (
    "No price",
    "Still no price",
    "Cost given",
    "Note",
    "State",
    "Cached input",
    "Ours / public",
)
_TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, kw_only=True)
class _RepricedDays:
    """Booked and repriced costs of a client's days."""

    client_id: UUID
    days: Days
    costs: Repricing


def _parse_prices(value: str) -> bool:
    if value not in ("now", "all"):
        raise InvalidInput(f'prices must be now or all, not "{value[:40]}"')
    return value == "all"


_ALL = Part(
    name="prices", parse=_parse_prices, default=False, spell=lambda is_all: "all" if is_all else "now"
)


def read_prices(page: Page) -> Reading[PriceBook]:
    """The price lists of the page's client, and its models in the period."""
    first, last = page.days
    return reads.read(
        page.database,
        ("prices", page.client.id, first, last),
        lambda moment: load_price_book(page.database, page.client.id, first, last, now=moment),
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


def show_used_models(page: Page, reading: Reading[PriceBook]) -> None:
    """The price of each model in use with its list, and the public price where it differs."""
    used = reading.value.used
    with st.container(border=True, key="used models"):
        show_heading(f"Models in use, {page.period}", "US dollars, by today's lists")
        if not used:
            st.caption("No calls in these days.")
            return
        price_table([_used_row(each) for each in used], ("Input", "Output", "Public input", "Public output"))
        if any(each.differs for each in used):
            st.caption(
                "*Ours / public*: our price divided by the public one, for input / output where they "
                "differ. The public list is genai-prices; it applies only where no other list has a price."
            )


def show_price_list(page: Page, reading: Reading[PriceBook]) -> None:
    """The prices of this client and of the installation that are in force, or all of them."""
    with st.container(border=True, key="price list"):
        shows_all = _ALL.value()
        show_heading(
            "Price list", "US dollars", beside=lambda: _ALL.fill_in(st.toggle, "Ended and future prices")
        )
        rows = [
            _entry_row(entry, state if shows_all else None, page)
            for entry, state in states(reading.value.entries, page.now)
            if shows_all or state == "In force"
        ]
        if rows:
            price_table(rows, ("Input", "Cached input", "Output"))
        else:
            st.caption("No own prices; the public list applies.")
        st.caption(
            "Client prices win over installation prices, and both over the public list. *\\** stands for all "
            "models of a provider. Old prices are kept."
        )


def show_repricing(page: Page) -> None:
    """A button that compares booked costs of the period with costs at today's prices."""
    with st.container(border=True, key="repricing"):
        show_heading(f"Booked costs and today's prices, {page.period}")
        st.caption(
            "Calls keep the cost that they were logged with; nothing on this page changes it. This "
            "compares it with their cost at today's prices. It reads every call of the period."
        )
        if st.button("Compare now", icon=":material/compare_arrows:"):
            with explained(), st.spinner("Pricing every call"):
                calls = select_calls(page.database, str(page.client.id), *page.days)
                costs = survey_costs(page.database, calls)
            remember(_RepricedDays(client_id=page.client.id, days=page.days, costs=costs))
        last = recall(_RepricedDays)
        if last is not None and (last.client_id, last.days) == (page.client.id, page.days):
            show_repriced(last.costs)
            _how_to_correct(page, last.costs)


def forget_repriced() -> None:
    """Drops the comparison, as a price has changed."""
    forget(_RepricedDays)


def show_repriced(repricing: Repricing, *, only_changed: bool = False) -> None:
    """A table of booked and repriced costs by model, and their sums."""
    rows = [
        _repriced_row(source, model, costs)
        for (source, model), costs in repricing.by_model.items()
        if costs.changed_count or not only_changed
    ]
    total = repricing.total
    if not rows:
        show_empty("All calls of these days would cost the same", icon=":material/check:")
        return
    listed = [costs for costs in repricing.by_model.values() if costs.changed_count or not only_changed]
    at_least = {
        "Booked": [bool(costs.unpriced_before) for costs in listed],
        "Repriced": [bool(costs.unpriced_after) for costs in listed],
    }
    price_table(rows, ("Booked", "Repriced", "Difference"), is_cost=True, at_least=at_least)
    calls = formatting.plural(total.changed_count, "call")
    difference = f": a difference of **{formatting.usd(total.difference_usd)}** in {calls}."
    if not total.has_difference:
        difference = f"; {calls} would change."
    line = f"Booked {total.booked}, repriced {total.repriced}{difference}"
    if total.unpriced_after:
        line += f" {formatting.plural(total.unpriced_after, 'call')} would still have no price."
    st.markdown(with_dollars(line))


def states(entries: Sequence[Entry], now: datetime) -> list[tuple[Entry, str]]:
    """Each entry with its state. Of several for one model, the one that began last is in force."""
    latest: dict[tuple[str | None, str, str], Entry] = {}
    for entry in entries:
        key = (entry.price.client_id, entry.price.source, entry.price.model)
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


def exact(amount: Decimal) -> str:
    """`$0.15`, `$0.0375`: a price with all its digits, and never fewer than the cents."""
    text = f"{amount.normalize():f}"
    whole, _, digits = text.partition(".")
    return f"${int(whole):,}.{digits:0<2}"


def _how_to_correct(page: Page, repricing: Repricing) -> None:
    first, last = page.days
    if not repricing.total.changed_count:
        return
    st.caption("To correct booked costs (the correction records who, when and why, and can be undone):")
    st.code(
        f"python -m analytics reprice --client {page.client.id} --from {first} --to {last} --apply "
        '--reason "..."',
        language="bash",
        wrap_lines=True,
    )


def _used_row(used: UsedModel) -> dict[str, Any]:
    return {
        "Provider": charts.source_name(used.source),
        "Model": used.model or formatting.NO_MODEL,
        **_amounts(used.quote, "Input", "Output"),
        "per": None if used.quote is None else used.quote.unit,
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
        "Input": price.input_usd,
        "Cached input": price.cached_input_usd,
        "Output": None if price.unit == "minute" else price.output_usd,
        "per": price.unit,
        "State": state,
        "From": _moment(price.effective_from, "always"),
        "Until": _moment(price.effective_until, "further notice"),
        "Source": entry.reference,
        "Note": entry.note,
        "Entered": formatting.age(entry.changed_at, page.now),
    }


def _moment(moment: datetime | None, otherwise: str) -> str:
    return otherwise if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def _repriced_row(source: str, model: str | None, costs: ModelCosts) -> dict[str, Any]:
    return {
        "Provider": charts.source_name(source),
        "Model": model or formatting.NO_MODEL,
        "Requests": costs.request_count,
        # Missing where no call of the model has a price.
        "Booked": None if costs.unpriced_before == costs.request_count else costs.booked_usd,
        "Repriced": None if costs.unpriced_after == costs.request_count else costs.repriced_usd,
        "Difference": costs.difference_usd if costs.has_difference else None,
        "To correct": costs.changed_count,
        "No price": costs.unpriced_before,
        "Still no price": costs.unpriced_after,
        "Cost given": costs.given_count,
    }


def price_table(
    rows: Sequence[Mapping[str, Any]],
    money: Sequence[str] = (),
    *,
    is_cost: bool = False,
    at_least: Mapping[str, Sequence[bool]] | None = None,
    texts: Sequence[str] = (),
) -> None:
    """A table with exact prices, or rounded costs, in the columns `money`; empty columns are hidden.

    `at_least` has, per column of costs, the rows that are lower bounds. The columns `texts` have amounts with
    words.
    """
    table = harmless(pd.DataFrame(rows))
    table = table.drop(
        columns=[name for name in _HIDE_WHEN_EMPTY if name in table and not _has_values(table[name])]
    )
    amounts: list[Hashable] = [name for name in money if name in table]
    for name in amounts:
        table[name] = table[name].astype("float64")
    counts: list[Hashable] = [name for name in table if pd.api.types.is_integer_dtype(table[name])]
    text_of = formatting.usd if is_cost else exact
    styler: Styler = table.style.format("{:,}", subset=counts)
    styler = styler.format(lambda amount: text_of(Decimal(repr(amount))), subset=amounts, na_rep="")
    styler = marked_bounds(styler, table, {name: pd.Series(rows) for name, rows in (at_least or {}).items()})
    show_table(
        styler,
        len(table),
        max_rows=MAX_ROWS,
        columns={name: st.column_config.TextColumn(name, alignment="right") for name in texts},
    )


def _has_values(column: "pd.Series[Any]") -> bool:
    return any(value is not None and value == value and value != 0 for value in column)
