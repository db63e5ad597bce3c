"""What the period's usage would have cost on another model."""

from collections.abc import Hashable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from analytics import charts, formatting
from analytics.errors import InvalidInput
from analytics.pricing.model_kinds import kind_of_model
from analytics.pricing.stored import ListedPrices, listed_prices
from analytics.pricing.what_if import Compared, NotComparable, Target, WhatIf, targets, what_if
from analytics.queries.filters import MAX_VALUES, spelled
from analytics.ui.frame.address import Part
from analytics.ui.frame.dates import window
from analytics.ui.frame.messages import escaped
from analytics.ui.frame.page import Page
from analytics.ui.frame.ways import Way, calls_with, of_model, show_ways
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.tables import harmless, model_name, opening, show_table, styled, without_zeros
from analytics.ui.providers import in_words

MAX_ROWS = 20  # in sight
ROUNDING_USD = Decimal("1e-9")
"""Smaller differences may come from rounding costs call by call."""


def show_what_if(page: Page, parts: pd.DataFrame) -> None:
    """The cost of the period's tokens and seconds on another model; `parts` is queries.call_sums().parts."""
    listed = page.read(listed_prices).value
    with st.container(border=True):
        show_heading(f"What if, {window(page.days)}", "The same usage on another model")
        label = _choose_target(page, parts, listed)
        target = Target.parse(label)
        answer = what_if(parts, target, listed.prices, page.now, page.client.id)
        if answer.compared:
            st.markdown(_verdict(answer, target))
            if _can_be_told_apart(answer):
                show_ways([calls_with("The calls that are compared", **_of(answer, None))], key="compared")
            _show_rows(answer, target)
        else:
            show_empty(f"Nothing used in these days has a price at {escaped(label)}", icon=":material/block:")
        if answer.not_comparable:
            st.markdown(_not_comparable(answer))
            show_ways(_to_left_out(answer), key="left out")
        st.caption(
            "Compares only calls of a kind that the model handles. Assumes the same tokens and seconds at "
            "today's prices, without batch or tier discounts. Another model splits text into other tokens "
            "and answers at another length; neither is considered. Cached input stays cached where the "
            "other model has a price for it, and audio, pictures and cache writes count as such. Where a "
            "price depends on the length of a prompt, the average call decides."
        )


def _choose_target(page: Page, parts: pd.DataFrame, listed: ListedPrices) -> str:
    """Draws the choice of a model with a price; by default the most used one that costs something."""
    labels = targets(listed.models, page.now.date())
    paid = parts[parts["total_cost"] > 0]
    used = [Target(source, model) for source, model in zip(paid["source"], paid["model"], strict=True)]
    # Most usage is text.
    used.sort(key=lambda each: kind_of_model(each.source, each.model, page.now, listed.prices) != "text")
    target = Part(
        name="target",
        parse=lambda value: _parse_target(value, labels),
        default=next((each.label for each in used if each.label in labels), labels[0]),
        is_always_written=True,
    )
    return target.choose(
        st.selectbox,
        "Everything on",
        labels,
        help="Prices of this installation, then those of the public list. Type to search.",
        width=420,
    )


def _parse_target(value: str, labels: list[str]) -> str:
    if value.lower() in labels:
        return value.lower()
    raise InvalidInput(f'no model with a price is called "{value}"; choose one from the list')


def _verdict(answer: WhatIf, target: Target) -> str:
    there, booked = formatting.usd(answer.there_usd), formatting.usd(answer.booked_usd)
    text = f"**{escaped(there)}** at {escaped(target.label)} instead of **{escaped(booked)}** as booked"
    difference = escaped(_difference(answer.booked_usd, answer.there_usd))
    return f"{text}: {difference}  \n:small[:gray[By the {escaped(answer.price_note)}.]]"


def _not_comparable(answer: WhatIf) -> str:
    by_reason: dict[str, list[NotComparable]] = {}
    for line in answer.not_comparable:
        by_reason.setdefault(line.reason, []).append(line)
    bullets = [
        f"- {', '.join(f'**{_name(line.source, line.model)}**' for line in lines)}: {escaped(reason)} "
        f":gray[({_left_out(lines)})]"
        for reason, lines in by_reason.items()
    ]
    return "\n".join([f"Left out of all sums above: {_left_out(answer.not_comparable)}.", *bullets])


def _left_out(lines: Sequence[NotComparable]) -> str:
    """`12 calls, booked with $1.50`."""
    requests, unpriced = sum(line.request_count for line in lines), sum(line.unpriced_count for line in lines)
    booked = formatting.cost(sum((line.booked_usd for line in lines), Decimal(0)), unpriced, requests)
    cost = "at unknown cost" if requests == unpriced else f"booked with {escaped(booked)}"
    return f"{formatting.plural(requests, 'call')}, {cost}"


def _show_rows(answer: WhatIf, target: Target) -> None:
    """A table with a row for all that is compared, and for each model, whose calls a click opens."""
    rows = list(_what_if_rows(answer, target))
    money = ("As booked", f"At {target.label}")
    table = pd.DataFrame(rows).astype(dict.fromkeys((*money, "Difference", "%", "Minutes"), "float64"))
    table = without_zeros(table, "Tokens", "Minutes")
    formats: dict[Hashable, Any] = {
        **dict.fromkeys(money, _usd),
        "Difference": lambda value: in_words.amount(Decimal(repr(value)), "cost"),
        "%": in_words.percent,
        **{name: text for name, text in (("Tokens", "{:,}"), ("Minutes", "{:,.1f}")) if name in table},
    }
    lines = [None, *answer.compared]
    with st.container(key="what if table"):
        show_table(
            styled(harmless(table), formats),
            len(rows),
            max_rows=MAX_ROWS,
            opens=opening(
                "what if rows",
                pd.DataFrame({"place": range(len(lines))}),
                lambda row: calls_with("", **_of(answer, lines[row["place"]])).go(),
            ),
        )


def _of(answer: WhatIf, line: Compared | None) -> dict[str, str]:
    """The parameters of filters that leave the calls of a line, or of all that is compared."""
    if line is not None:
        return of_model(line.source, line.model)
    left_out = _left_out_models(answer).get("model")
    return {"model!": left_out} if left_out and _can_be_told_apart(answer) else {}


def _left_out_models(answer: WhatIf) -> dict[str, str]:
    """The parameter of a filter that leaves the calls of all that is left out."""
    names = dict.fromkeys(spelled(each.model or "") for each in answer.not_comparable)
    return {"model": ",".join(names)} if names else {}


def _to_left_out(answer: WhatIf) -> Iterator[Way]:
    """The ways to the calls of all that is left out, and of each model."""
    if len(answer.not_comparable) > 1 and _can_be_told_apart(answer):
        yield calls_with("All that are left out", **_left_out_models(answer))
    for line in answer.not_comparable:
        calls = formatting.plural(line.request_count, "call")
        yield calls_with(f"{_name(line.source, line.model)}: {calls}", **of_model(line.source, line.model))


def _can_be_told_apart(answer: WhatIf) -> bool:
    """Whether a filter by models tells what is compared from what is left out."""
    compared = {each.model for each in answer.compared}
    left_out = {each.model for each in answer.not_comparable}
    return not compared & left_out and len(left_out) <= MAX_VALUES


def _what_if_rows(answer: WhatIf, target: Target) -> Iterator[dict[str, Any]]:
    yield _what_if_row("Total of these", answer.compared, target)
    for line in answer.compared:
        name = f"{charts.source_name(line.source)} {line.model or formatting.NO_MODEL}"
        yield _what_if_row(name, [line], target)


def _what_if_row(name: str, lines: Sequence[Compared], target: Target) -> dict[str, Any]:
    booked, there, seconds = (
        sum((getattr(line, what) for line in lines), Decimal(0))
        for what in ("booked_usd", "there_usd", "duration_seconds")
    )
    difference = there - booked
    return {
        "Now": name,
        "As booked": booked,
        f"At {target.label}": there,
        "Difference": Decimal(0) if abs(difference) < ROUNDING_USD else difference,
        "%": there / booked if booked else None,
        "Tokens": sum(line.total_tokens for line in lines),
        "Minutes": seconds / 60,
    }


def _difference(booked: Decimal, there: Decimal) -> str:
    """`+$1.20 (+12.3%)`."""
    difference = there - booked
    if abs(difference) < ROUNDING_USD:
        return "the same"
    amount = f"{'+' if difference > 0 else ''}{formatting.usd(difference)}"
    percent = formatting.change(there, booked)
    return f"{amount} ({percent.replace('-', formatting.MINUS)})" if percent else amount


def _usd(amount: object) -> str:
    return formatting.usd(Decimal(repr(amount)))


def _name(source: str, model: str | None) -> str:
    return f"{escaped(charts.source_name(source))} {model_name(model)}"
