"""Tables. Values stay numeric, so that columns sort; only their texts have units and separators."""

import re
from collections.abc import Callable, Hashable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from analytics import formatting
from analytics.ui.frame.messages import escaped
from analytics.ui.frame.state import session, value_of
from analytics.ui.frame.ways import calls_with, of_conversation

NO_CONVERSATION = "(calls without a conversation)"
UNNAMED = "(unnamed)"
_ROW_HEIGHT, _BORDERS = 35, 3  # pixels
# Streamlit writes the texts of a table column by column, which takes half as long where they are Python's.
pd.options.mode.string_storage = "python"
_FORMULA = re.compile(r"\s*[-=+@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"\+?[\d\s().-]+")
MONEY_COLUMNS = ("Cost", "per 1K tokens", "Running cost", "Stated cost")
COST_COLUMN = st.column_config.NumberColumn(
    "Cost (USD)",
    help="≥: of the calls with a price, as others have none. A dash: no call has a price.",
)
CALL_COLUMNS = {
    "Made": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm:ss", pinned=True),
    "Cost": st.column_config.NumberColumn("Cost (USD)", help="A dash where it is not known."),
    "Basis": st.column_config.TextColumn(
        help="priced: by a price list. given: logged with the call, or stated by the provider. "
        "estimated: tokens or price are an estimate. unpriced: no price is known."
    ),
    "Outcome": st.column_config.TextColumn(
        help="ok: answered. error: failed. refused: provider or model said no. cut: the stream broke off."
    ),
    "Latency": st.column_config.NumberColumn(
        "ms", help="Milliseconds from the request to the end of the answer."
    ),
    "Sum of": st.column_config.NumberColumn(
        "Sum of requests",
        help="The row is the sum of so many requests: its report has no single ones. Empty: it is one call.",
    ),
}
"""Columns of tables that have a call in each row."""
MODEL_WIDTH = {"Model": st.column_config.TextColumn(width=170)}
"""Wide enough for the names of most models."""
MANY_COLUMNS = 11
NARROW_MODEL = {"Model": st.column_config.TextColumn(width=145)}
"""The same of tables with more columns than these, of which the last would not be in sight on a laptop."""
NO_PRICE_COLUMN = st.column_config.NumberColumn(help="Requests whose cost is not known.")


def show_table(
    table: Styler,
    rows: int,
    *,
    opens: Mapping[str, Any],
    max_rows: int | None = None,
    columns: Mapping[str, Any] | None = None,
) -> None:
    """Shows a table as high as its rows, or as `max_rows`; then it scrolls.

    `opens` is opening(), as all numbers lead to what they are made of; `columns` are st.column_config.
    """
    in_sight = max(1, rows if max_rows is None else min(rows, max_rows))
    st.dataframe(
        table,
        hide_index=True,
        placeholder=formatting.MISSING,
        height=_ROW_HEIGHT * (in_sight + 1) + _BORDERS,
        column_config=columns,
        **opens,
    )


def opening(
    key: str,
    frame: pd.DataFrame,
    open_row: "Callable[[pd.Series[Any]], None]",
    cells: "Mapping[str, Callable[[pd.Series[Any]], None]] | None" = None,
) -> dict[str, Any]:
    """Options of show_table() by which a click on a row opens it; the table's rows are those of `frame`.

    A click on a cell of the columns of `cells` opens what its number is made of. After a click it is another
    widget, in which nothing is selected.
    """
    state = session().address
    current = state.current_key(key)

    def take() -> None:
        row = selected(current, frame)
        if row is None or current != state.current_key(key):
            return
        state.redrawn[key] += 1
        selection = value_of(current).selection
        column = selection.cells[0][1] if selection.cells else ""
        (cells or {}).get(column, open_row)(row)

    return {"key": current, "on_select": take, "selection_mode": ["single-row", "single-cell"]}


def selected(key: str, frame: pd.DataFrame) -> "pd.Series[Any] | None":
    """The row of `frame` that a visitor selected in the table of this key; in a callback."""
    selection = value_of(key).selection
    rows = [*selection.rows, *(row for row, _ in selection.cells)]
    return frame.iloc[rows[0]] if rows and rows[0] < len(frame) else None


def phones(frame: pd.DataFrame) -> pd.Series:
    """The phones of `frame` as they were read, whole or masked; a dash where there is none."""
    return frame["phone"].fillna(formatting.MISSING)


def without_zeros(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The table without those of `columns` that are zero throughout."""
    return table.drop(columns=[name for name in columns if name in table and not table[name].any()])


def conversation_names(frame: pd.DataFrame) -> list[str]:
    """What to call each conversation: its name, else the start of its id, else that it has none."""
    names = []
    for name, phone, conversation_id in zip(
        frame["conversation_name"], frame["phone"], frame["conversation_id"], strict=True
    ):
        if name:
            names.append(name)
        elif phone or conversation_id:
            # The phone has a column of its own, which is masked; an id is no secret.
            names.append(f"{str(conversation_id)[:8]}…" if conversation_id else UNNAMED)
        else:
            names.append(NO_CONVERSATION)
    return names


def conversation_cells() -> "Mapping[str, Callable[[pd.Series[Any]], None]]":
    """What cells of a table of conversations open that count only some of its calls: see opening()."""
    only = {
        "OpenAI": {"provider": "openai"},
        "Groq": {"provider": "groq"},
        "Other": {"provider!": "openai,groq"},
        "No price": {"basis": "unpriced"},
    }
    return {column: partial(_open_calls_of, filters) for column, filters in only.items()}


def _open_calls_of(only: Mapping[str, str], row: "pd.Series[Any]") -> None:
    calls_with("", **of_conversation(row), **only).go()


def harmless(table: pd.DataFrame) -> pd.DataFrame:
    """The table with texts that no spreadsheet takes for formulas, as any table can be downloaded.

    A sign without width goes before texts that begin like a formula; phones, being numbers, stay as they are.
    """
    texts = {}
    for name, column in table.items():
        if pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column):
            values = column.tolist()
            made = [_harmless(value) for value in values]
            if any(one is not other for one, other in zip(made, values, strict=True)):
                texts[str(name)] = made
    return table.assign(**texts) if texts else table


def _harmless(value: Any) -> Any:
    is_formula = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"\N{WORD JOINER}{value}" if is_formula else value


def readable(table: pd.DataFrame, **partly: "pd.Series[bool]") -> Styler:
    """The table with formatted numbers; columns still sort by value.

    `partly` has, per column of costs, the rows that are lower bounds: `Cost=partly_known(frame)`.
    """
    table = harmless(table)
    formats: dict[Hashable, Any] = {
        name: "{:,}" for name in table if pd.api.types.is_integer_dtype(table[name])
    }
    formats |= {name: _usd for name in MONEY_COLUMNS if name in table}
    formats |= {name: "{:,.0f}" for name in ("per request",) if name in table}
    return styled(table, formats, partly)


def styled(
    table: pd.DataFrame,
    formats: dict[Hashable, Any],
    partly: "Mapping[str, pd.Series[bool]] | None" = None,
) -> Styler:
    """The table with a format for each of these columns, and marked_bounds(); what is missing has no text."""
    # At once, as pandas takes longer to look up the columns than to format them.
    styler = table.style.format(formats, subset=list(formats), na_rep="")
    return marked_bounds(styler, table, partly or {})


def marked_bounds(styler: Styler, table: pd.DataFrame, partly: "Mapping[str, pd.Series[bool]]") -> Styler:
    """Puts a ≥ before costs that are lower bounds, by column and row."""
    for name, rows in partly.items():
        bounds = table.index[rows.to_numpy(bool)]
        if name in table and len(bounds):
            styler = styler.format(_at_least, subset=(bounds, [name]), na_rep="")
    return styler


def _usd(amount: object) -> str:
    return formatting.usd(Decimal(repr(amount)))


def _at_least(amount: object) -> str:
    return formatting.cost(Decimal(repr(amount)), 1, 2)


def model_name(model: str | None) -> str:
    return escaped(model or formatting.NO_MODEL)
