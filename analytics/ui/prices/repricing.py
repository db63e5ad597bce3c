"""Booked costs of the period beside their costs at today's prices: compared, corrected, and undone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from analytics import charts, formatting
from analytics.corrections import (
    Correction,
    ModelCosts,
    Repricing,
    Selection,
    apply_correction,
    calls_in,
    list_corrections,
    preview_costs,
    select_calls,
    undo_correction,
)
from analytics.days import EARLIEST, LATEST, Days
from analytics.errors import AnalyticsError
from analytics.queries.filters import spelled
from analytics.ui.frame import reads
from analytics.ui.frame.messages import escaped, show_refusal, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.state import Scope, forget, recall, remember, take
from analytics.ui.frame.ways import Way, calls_with, of_model, show_ways
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.headings import show_heading
from analytics.ui.prices.tables import price_table

MAX_REASON = 200  # characters
_DAY = timedelta(days=1)
_NOBODY_SIGNED_IN = "an administrator at the dashboard's machine"


@dataclass(frozen=True, kw_only=True)
class _Limits:
    """What a correction can be limited to of the filters of a page."""

    source: str | None
    model: str | None
    others: tuple[str, ...]
    """Names of filters that it cannot hold to."""


@dataclass(frozen=True, kw_only=True)
class _RepricedDays:
    """Booked and repriced costs of a client's days."""

    scope: Scope
    limits: _Limits
    costs: Repricing


@dataclass(frozen=True, kw_only=True)
class _Done:
    """What was corrected or undone; shown once."""

    text: str


def show_repricing(page: Page) -> None:
    """Compares booked costs of the period with costs at today's prices; administrators correct them."""
    limits = _limits(page)
    with st.container(border=True, key="repricing"):
        show_heading(f"Booked costs and today's prices, {page.period}")
        if done := take(_Done):
            st.success(with_dollars(done.text), icon=":material/check_circle:")
        st.caption(
            "Calls keep the cost that they were logged with, until an administrator corrects it here. The "
            "comparison changes nothing. It reads every call of the period."
        )
        _tell_limits(limits)
        if st.button("Compare now", icon=":material/compare_arrows:"):
            _compare(page, limits)
        last = recall(_RepricedDays)
        if last is not None and last.scope == page.scope and last.limits == limits:
            show_repriced(last.costs)
            _offer_correction(page, last.costs)
        if page.viewer.administers(page.client):
            _show_corrections(page)


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
    price_table(
        rows,
        ("Booked", "Repriced", "Difference"),
        is_cost=True,
        at_least=at_least,
        key=f"repriced {only_changed}",
        ways=[
            calls_with("", **of_model(source, model))
            for (source, model), costs in repricing.by_model.items()
            if costs.changed_count or not only_changed
        ],
        cells={"No price": {"basis": "unpriced"}, "Cost given": {"basis": "given,plan"}},
    )
    calls = formatting.plural(total.changed_count, "call")
    difference = f": a difference of **{formatting.usd(total.difference_usd)}** in {calls}."
    if not total.has_difference:
        difference = f"; {calls} would change."
    line = f"Booked {total.booked}, repriced {total.repriced}{difference}"
    if total.unpriced_after:
        line += f" {formatting.plural(total.unpriced_after, 'call')} would still have no price."
    st.markdown(with_dollars(line))
    of = {"provider": repricing.selection.source, "model": repricing.selection.model}
    only = {name: spelled(value) for name, value in of.items() if value}
    ways = [("All these calls", only), ("Those without a price", {**only, "basis": "unpriced"})]
    show_ways(
        [Way(page="calls", text=text, only=each, keeps_filters=False) for text, each in ways],
        key=f"repriced {only_changed}",
    )


def _limits(page: Page) -> _Limits:
    """The one provider and the one model that the page is filtered by, and the filters that are left."""
    one: dict[str, str] = {}
    for name in ("provider", "model"):
        condition = page.filters.get(name)
        if condition and not condition.is_excluded and len(condition.values) == 1 and condition.values[0]:
            [one[name]] = condition.values
    others = tuple(condition.name for condition in page.filters if condition.name not in one)
    return _Limits(source=one.get("provider"), model=one.get("model"), others=others)


def _tell_limits(limits: _Limits) -> None:
    of = " ".join(filter(None, (limits.source, limits.model)))
    if limits.others:
        names = escaped(", ".join(limits.others))
        st.info(
            f"Costs are corrected by days, one provider and one model. The filter by {names} does not hold "
            f"here: these are all calls of {escaped(of) if of else 'the days'}.",
            icon=":material/filter_alt_off:",
        )
    elif of:
        st.caption(f"Only calls of {escaped(of)}, as the page is filtered.")


def _compare(page: Page, limits: _Limits) -> None:
    forget(_RepricedDays)
    try:
        selection = _selected(page, limits)
        costs = preview_costs(page.database, selection, report=_progress(page, selection, "Pricing"))
    except AnalyticsError as error:
        show_refusal(error)
        return
    remember(_RepricedDays(scope=page.scope, limits=limits, costs=costs))


def _selected(page: Page, limits: _Limits) -> Selection:
    return select_calls(
        page.database, str(page.client.id), page.days, source=limits.source, model=limits.model
    )


def _progress(page: Page, selection: Selection, what: str) -> Callable[[int], None]:
    """Draws a bar, and returns what moves it. Each step also lets the browser end this run."""
    return _bar(calls_in(page.database, selection), what)


def _bar(count: int, what: str) -> Callable[[int], None]:
    bar = st.progress(0.0, text=what)

    def report(done: int) -> None:
        text = f"{what}: {formatting.count(done)} of {formatting.plural(count, 'call')}"
        bar.progress(min(1.0, done / count) if count else 1.0, text=text)

    return report


def _offer_correction(page: Page, repricing: Repricing) -> None:
    """What administrators fill in to correct the calls that were compared."""
    changed_count = repricing.total.changed_count
    if not changed_count:
        return
    if not page.viewer.administers(page.client):
        st.caption("Administrators of this client can correct booked costs.")
        return
    calls = formatting.plural(changed_count, "call")
    with st.form("correction", border=False):
        reason = st.text_input(
            "Why are they corrected?",
            placeholder="the contract of October",
            max_chars=MAX_REASON,
            help="Kept with the correction, as are who, when, and each call's cost before and after.",
        )
        is_asked = st.form_submit_button(f"Correct {calls}", type="primary", icon=":material/price_check:")
    st.caption(
        "Each call is priced again when it is corrected, a bite after the other; calls that are logged "
        "meanwhile do not wait. It can be undone. On the command line: `python -m analytics reprice`."
    )
    if is_asked:
        _correct(page, repricing.selection, reason)


def _correct(page: Page, selection: Selection, reason: str) -> None:
    report = _progress(page, selection, "Correcting")
    try:
        result = apply_correction(page.database, selection, by=_who(page), reason=reason, report=report)
    except AnalyticsError as error:
        # What was corrected before it is in the list.
        reads.forget()
        show_refusal(error)
        return
    lines = ["**Nothing was corrected.**"]
    if result.correction:
        lines = [
            f"**Corrected {_before_and_after(result.correction)}.** The list below has it, and undoes it."
        ]
    if result.skipped_count:
        calls = formatting.plural(result.skipped_count, "call")
        lines.append(f"{calls} changed at the same time and stay as they are: compare again for them.")
    _finish(" ".join(lines))


def _show_corrections(page: Page) -> None:
    """The client's corrections, the newest first, each of which can be undone."""
    corrections = reads.read(
        page.database,
        ("corrections", page.client.id),
        lambda _: list_corrections(page.database, client=str(page.client.id)),
        page.now,
    ).value
    if not corrections:
        return
    show_heading("Corrections", "Newest first; a click opens the calls that one changed")
    zone = page.client.timezone
    price_table(
        [_correction_row(each, zone) for each in corrections],
        ("Before", "After", "Difference"),
        is_cost=True,
        key="corrections table",
        ways=[_calls_of(each, zone) for each in corrections],
    )
    undoable = {_correction_name(each, zone): each for each in corrections if each.undone_at is None}
    if not undoable:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.selectbox(
            "Undo a correction", list(undoable), index=None, placeholder="Choose a correction", width=520
        )
        is_asked = st.button("Undo it", disabled=name is None, icon=":material/undo:")
    if is_asked and name:
        _undo(page, undoable[name])


def _calls_of(correction: Correction, zone: str) -> Way:
    """The way to the calls that a correction changed."""
    days = Days(correction.first_date, correction.last_date)
    if correction.timezone != zone:
        # Its days were those of the client's earlier zone.
        days = Days(max(EARLIEST, days.first - _DAY), min(LATEST, days.last + _DAY))
    return Way(
        page="calls",
        text="",
        only={"correction": str(correction.id)},
        keeps_filters=False,
        parts={"days": str(days)},
    )


def _undo(page: Page, correction: Correction) -> None:
    report = _bar(correction.request_count, "Undoing")
    try:
        result = undo_correction(page.database, str(correction.id), by=_who(page), report=report)
    except AnalyticsError as error:
        reads.forget()
        show_refusal(error)
        return
    lines = [
        f"**Undone: {formatting.plural(result.restored_count, 'call')} cost again what they did before.**"
    ]
    if result.changed_count:
        lines.append(
            f"{formatting.plural(result.changed_count, 'call')} changed since, and stay as they are."
        )
    if result.deleted_count:
        lines.append(f"{formatting.plural(result.deleted_count, 'call')} were deleted since.")
    _finish(" ".join(lines))


def _finish(text: str) -> None:
    forget_repriced()
    reads.forget()
    remember(_Done(text=text))
    st.rerun()


def _who(page: Page) -> str:
    return page.viewer.email or _NOBODY_SIGNED_IN


def _before_and_after(correction: Correction) -> str:
    """`12 calls from $1.50 to $1.20`."""
    before, after = correction.cost_before_usd, correction.cost_after_usd
    calls = formatting.plural(correction.request_count, "call")
    return f"{calls} from {escaped(formatting.usd(before))} to {escaped(formatting.usd(after))}"


def _correction_name(correction: Correction, zone: str) -> str:
    """As the choice has it: its moment tells it from others."""
    made = _moment(correction.corrected_at, zone)
    return f"{made}: {formatting.plural(correction.request_count, 'call')}, {correction.reason}"


def _correction_row(correction: Correction, zone: str) -> dict[str, Any]:
    undone = correction.undone_at and f"{_moment(correction.undone_at, zone)} by {correction.undone_by}"
    return {
        "Corrected": _moment(correction.corrected_at, zone),
        "Calls": correction.request_count,
        "Before": correction.cost_before_usd,
        "After": correction.cost_after_usd,
        "Difference": correction.cost_after_usd - correction.cost_before_usd,
        "Days": f"{correction.first_date} to {correction.last_date}",
        "Only": " ".join(filter(None, (correction.source, correction.model))) or None,
        "Why": correction.reason,
        "By": correction.corrected_by,
        "Undone": undone,
    }


def _moment(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"


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
