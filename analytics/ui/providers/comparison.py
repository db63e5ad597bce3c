"""What changed between two periods, and why: in all, by provider and by model."""

from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from analytics import charts, formatting
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.queries import (
    ComparedDays,
    Comparison,
    Moved,
    Movers,
    Sums,
    Unit,
    usage_comparison,
    what_moved,
)
from analytics.queries.filters import spelled
from analytics.ui.frame import address, reads
from analytics.ui.frame.address import Part
from analytics.ui.frame.dates import window
from analytics.ui.frame.messages import escaped, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.ways import OPENS, Way, calls_with, of_model, of_models, show_way
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.tables import COST_COLUMN, MODEL_WIDTH, harmless, opening, show_table, styled
from analytics.ui.providers import in_words

PAGE = "providers_and_models"
TOP_MODELS = 20
TOLD_MODELS = 5
MAX_SEARCH = 100  # characters
_NAMES = ("Model", "Models", "Provider")
_WHY, _NUMBERS = "Why", "Now and before"
_PARTS = {"More calls": "calls", "Longer calls": "length", "Dearer calls": "price", "Other mix": "mix"}
_HELP = {
    "Change": "Of the amount; of the daily mean where one period is longer.",
    "More calls": "What more or fewer calls changed. Of a model, calls that moved to or from it count here.",
    "Longer calls": "What more or fewer tokens per call changed.",
    "Dearer calls": "What a higher or lower cost per token changed; per call where tokens do not tell it.",
    "Other mix": "Calls that moved between models of which one call costs more than one of another.",
    "per request": "Tokens per request.",
    "per request before": "Tokens per request before.",
    "per 1K tokens": "US dollars per 1,000 tokens.",
    "before": "US dollars per 1,000 tokens before.",
}


def read_comparison(page: Page, other: Days) -> Reading[Comparison]:
    """Usage in the page's days and in those to compare with."""
    return reads.read(
        page.database,
        ("comparison", page.client.id, page.days, other, page.filters),
        lambda moment: usage_comparison(
            page.database, page.client.id, page.days, other, now=moment, filters=page.filters
        ),
        page.now,
    )


def show_comparison(page: Page, compared: Comparison, other: Days) -> None:
    """What changed in sentences, then the total with its providers, and models by their change.

    The measure of the page decides whether that is tokens or cost.
    """
    found = what_moved(compared.models, compared.days, page.measure.unit)
    with st.container(border=True):
        measure = page.measure.title
        show_heading(
            f"{window(page.days)} compared with {window(other)}",
            f"{measure}: what changed, why",
            beside=_choose_view,
        )
        _show_sentences(found)
        _show_providers(found, other)
        show_heading(f"Models, {window(page.days)}", f"{measure}, largest change first")
        _show_models(found, other)
        st.caption(" ".join(_notes(page, compared, found, other)))


def _show_sentences(found: Movers) -> None:
    """The change of all, then a line for each of the models that changed most: a link to that model."""
    if found.no_comparison is not None:
        return
    told = [moved for moved in found.models if moved.change][:TOLD_MODELS]
    with st.container(gap=None, key="movers"):
        if sentence := in_words.change_of_all(found):
            show_way(calls_with("all of them"), with_dollars(sentence), icon=OPENS)
        for moved in told:
            sentence = with_dollars(in_words.change_of_model(moved, found))
            way = Way(page=PAGE, text=sentence, only=_of(moved))
            if way.leads_on:
                show_way(way, sentence, icon=OPENS)
            else:
                st.markdown(sentence)


def _of(moved: Moved) -> dict[str, str]:
    """The parameters of filters that leave the calls of a model."""
    return of_model(moved.source or "", moved.model)


def _of_some(found: Movers, models: Sequence[Moved]) -> dict[str, str] | None:
    """The same of several together; None where no filter tells them from all others."""
    chosen = {(moved.source or "", moved.model) for moved in models}
    return of_models(chosen, {(moved.source or "", moved.model) for moved in found.models} - chosen)


def _open_lines(
    key: str,
    lines: Sequence[Moved],
    only: Sequence[dict[str, str] | None],
    other: Days,
    open_line: Callable[[Moved], None],
) -> dict[str, Any]:
    """Options of a table by which a click on a line opens it, and one on its requests the calls of these.

    `only` are the parameters of filters that leave the calls of each line; None where there are none.
    """

    def open_calls(row: "pd.Series[Any]", parts: dict[str, str]) -> None:
        line, of_line = lines[row["place"]], only[row["place"]]
        if of_line is None:
            open_line(line)
        else:
            Way(page="calls", text="", only=of_line, parts=parts).go()

    return opening(
        key,
        pd.DataFrame({"place": range(len(lines))}),
        lambda row: open_line(lines[row["place"]]),
        {
            "Requests": lambda row: open_calls(row, {}),
            "Requests before": lambda row: open_calls(row, {"days": str(other)}),
        },
    )


def _show_providers(found: Movers, other: Days) -> None:
    """A row for all, and for each provider; a click on one filters by it, one on all opens the calls."""
    lines = [found.total]
    names: list[tuple[str, str]] = [("All", formatting.plural(found.total.model_count, "model"))]
    if found.unknown_count and found.known.model_count:
        lines.append(found.known)
        names.append(("Known costs", formatting.plural(found.known.model_count, "model")))
    if len(found.providers) > 1:
        lines += found.providers
        names += [
            (charts.source_name(moved.source or ""), formatting.plural(moved.model_count, "model"))
            for moved in found.providers
        ]
    table = _table(found, lines, "Provider", [name for name, _ in names])
    table["Models"] = [models for _, models in names]
    of_known = _of_some(found, [moved for moved in found.models if moved.change is not None])

    def open_line(line: Moved) -> None:
        if line is found.total:
            calls_with("").go()
        elif line is found.known:
            Way(page=PAGE, text="", only=of_known or {}, parts={} if of_known else _ALL.changes(True)).go()
        else:
            Way(page=PAGE, text="", only={"provider": spelled(line.source or "")}).go()

    only = [
        {}
        if line is found.total
        else of_known
        if line is found.known
        else {"provider": spelled(line.source or "")}
        for line in lines
    ]
    _draw(found, table, lines, _open_lines("providers compared", lines, only, other, open_line))


def _show_models(found: Movers, other: Days) -> None:
    """The models that changed most, and all others in a line each; a click on one filters by it.

    One on the others shows each of them.
    """
    models, rest = _chosen_models(found)
    if not models:
        st.caption(f"No model is called like “{escaped(_SEARCH.value())}”.")
        return
    lines = [*models, *rest]
    names = [moved.model or formatting.NO_MODEL for moved in models]
    for moved in rest:
        unknown = "" if moved.change is not None or found.no_comparison else ", some cost unknown"
        several = f"({formatting.count(moved.model_count)} more models{unknown})"
        names.append(several if moved.models else moved.model or formatting.NO_MODEL)

    def open_line(line: Moved) -> None:
        if line.models:
            address.put(**_ALL.changes(True))
        else:
            Way(page=PAGE, text="", only=_of(line)).go()

    table = _table(found, lines, "Model", names)
    if not any(moved.parts and moved.parts.mix for moved in rest):
        table = table.drop(columns=["Other mix"], errors="ignore")
    table["Provider"] = [charts.source_name(moved.source or "") for moved in lines]
    only = [_of_some(found, moved.models) if moved.models else _of(moved) for moved in lines]
    _draw(found, table, lines, _open_lines("models compared", lines, only, other, open_line))


def _chosen_models(found: Movers) -> tuple[Sequence[Moved], Sequence[Moved]]:
    """What the search and the toggle leave; both are there where there are many models."""
    count = len(found.models)
    if count <= TOP_MODELS + 1:
        return found.models, []
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="find models"):
        text = _SEARCH.fill_in(
            st.text_input,
            "Find a model",
            max_chars=MAX_SEARCH,
            placeholder="Part of its name",
            icon=":material/search:",
            width=300,
        )
        shows_all = _ALL.fill_in(st.toggle, f"All {formatting.count(count)} models")
    if text.strip():
        matching = [
            moved
            for moved in found.models
            if formatting.matches_search(
                text.strip(), moved.model or formatting.NO_MODEL, charts.source_name(moved.source or "")
            )
        ]
        return matching, []
    return (found.models, []) if shows_all else found.folded(TOP_MODELS)


def _table(found: Movers, lines: Sequence[Moved], heading: str, names: Sequence[str]) -> pd.DataFrame:
    """A row per line, with the numbers of the view; of costs that are not known there are none."""
    numbers = _why if _VIEW.value() == _WHY else _now_and_before
    rows = [{heading: name} | numbers(found, moved) for moved, name in zip(lines, names, strict=True)]
    table = pd.DataFrame(rows)
    if found.unit == "tokens":
        table = table.drop(columns=["Dearer calls"], errors="ignore")
    whole = {"Requests", "Requests before", "Tokens", "Tokens before"}
    return table.astype(
        {name: "int64" if name in whole else "float64" for name in table if name not in _NAMES}
    )


def _why(found: Movers, moved: Moved) -> dict[str, Any]:
    """The measure now and before, its change, and the parts of that."""
    unit, name = found.unit, "Cost" if found.unit == "cost" else "Tokens"
    before = found.per_day(moved.before.amount(unit), is_before=True)
    is_new = moved.change is None or not before
    parts = moved.parts._asdict() if moved.parts else {}
    return {
        name: _amount(moved.now, unit),
        f"{name} before": _amount(moved.before, unit),
        "Change": moved.change,
        "%": None if is_new else found.per_day(moved.now.amount(unit)) / before,
        **{column: parts.get(part) for column, part in _PARTS.items()},
    }


def _amount(sums: Sums, unit: Unit) -> Decimal | None:
    if unit == "cost" and sums.unpriced_count and sums.unpriced_count == sums.request_count:
        return None
    return sums.amount(unit)


def _now_and_before(found: Movers, moved: Moved) -> dict[str, Any]:
    now, before = moved.now, moved.before
    amounts = {"Tokens": now.total_tokens, "Cost": _amount(now, "cost")}
    if found.unit == "cost":
        amounts = {name: amounts[name] for name in ("Cost", "Tokens")}
    return {
        **amounts,
        "Requests": now.request_count,
        "Requests before": before.request_count,
        "per request": now.tokens_per_request,
        "per request before": before.tokens_per_request,
        "per 1K tokens": now.usd_per_1k_tokens,
        "before": before.usd_per_1k_tokens,
    }


def _draw(found: Movers, table: pd.DataFrame, lines: Sequence[Moved], how_to_open: dict[str, Any]) -> None:
    bounds = {
        "Cost": [bool(moved.now.unpriced_count) for moved in lines],
        "Cost before": [bool(moved.before.unpriced_count) for moved in lines],
    }
    show_table(
        _styled(found, harmless(table), bounds),
        len(table),
        max_rows=TOP_MODELS + 2,
        columns={
            **{name: st.column_config.NumberColumn(help=text) for name, text in _HELP.items()},
            "Cost": COST_COLUMN,
            **MODEL_WIDTH,
        },
        opens=how_to_open,
    )


def _styled(found: Movers, table: pd.DataFrame, bounds: dict[str, list[bool]]) -> Styler:
    signed = ("Change", *_PARTS)
    formats: dict[Hashable, Any] = {}
    for name in table:
        if pd.api.types.is_integer_dtype(table[name]):
            formats[name] = "{:,}"
        elif name in ("Cost", "Cost before", "per 1K tokens", "before"):
            formats[name] = lambda value: formatting.usd(_decimal(value))
        elif name in ("per request", "per request before"):
            formats[name] = "{:,.0f}"
        elif name in signed:
            formats[name] = lambda value: in_words.amount(_decimal(value), found.unit)
        elif name == "%":
            formats[name] = in_words.percent
    return styled(table, formats, {name: pd.Series(rows) for name, rows in bounds.items()})


def _decimal(value: object) -> Decimal:
    return Decimal(repr(value))


def _notes(page: Page, compared: Comparison, found: Movers, other: Days) -> list[str]:
    days, frame = compared.days, compared.models
    notes = [
        f"Before: {window(other)} ({formatting.plural(len(other), 'day')}"
        f"{_until(days, page.client.timezone)})."
    ]
    if found.no_comparison is not None:
        notes.append(f"No change is shown: {found.no_comparison}.")
    elif found.is_daily:
        notes.append("The two periods differ in length, so changes compare daily averages.")
    if found.no_comparison is None:
        notes.append("What each part means is behind the heading of its column; they add up to the change.")
    if page.days.overlaps(other):
        notes.append("The two periods overlap; shared days count in both.")
    if frame["unpriced_count"].any() or frame["previous_unpriced_count"].any():
        notes.append("≥: some calls have no price. No change is shown where a cost is unknown.")
    return notes


def _until(days: ComparedDays, timezone: str) -> str:
    if days.until_at is None:
        return ""
    at = days.until_at.astimezone(ZoneInfo(timezone))
    return f", until {at:%H:%M} on {formatting.day(at)}, the time it is now"


def _parse_search(value: str) -> str:
    if len(value) > MAX_SEARCH:
        raise InvalidInput(f'find must be at most {MAX_SEARCH} characters, not "{value[:MAX_SEARCH]}..."')
    return value


def _parse_all(value: str) -> bool:
    if value not in ("top", "all"):
        raise InvalidInput(f'models must be top or all, not "{value[:40]}"')
    return value == "all"


def _choose_view() -> None:
    _VIEW.choose(
        st.segmented_control, "Columns", [_WHY, _NUMBERS], required=True, label_visibility="collapsed"
    )


def _parse_view(value: str) -> str:
    for view in (_WHY, _NUMBERS):
        if value.strip().lower() == view.lower():
            return view
    raise InvalidInput(f'columns must be {_WHY} or {_NUMBERS}, not "{value[:40]}"')


_VIEW = Part(name="columns", parse=_parse_view, default=_WHY)
_SEARCH = Part(name="find", parse=_parse_search, default="")
_ALL = Part(
    name="models", parse=_parse_all, default=False, spell=lambda shows_all: "all" if shows_all else "top"
)
