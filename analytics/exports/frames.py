"""A table as a page shows it -> CSV. What is hidden on the page (phones) was hidden in the frame before."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from analytics.exports.cells import BYTE_ORDER_MARK, csv_lines, number_cell, text_cell


def frame_csv(frame: pd.DataFrame) -> bytes:
    """The columns of a frame, its index left out, with all digits; how to read it back: exports.cells.

    Moments are ISO 8601 in UTC, columns of days ISO dates, objects JSON.
    """
    columns = [_cells(frame.iloc[:, place]) for place in range(frame.shape[1])]
    header = [text_cell(str(name)) for name in frame.columns]
    return BYTE_ORDER_MARK + csv_lines([header, *zip(*columns, strict=True)])


def _cells(column: "pd.Series[Any]") -> list[str]:
    if pd.api.types.is_datetime64_dtype(column) and (column.dropna().dt.normalize() == column.dropna()).all():
        return ["" if pd.isna(day) else f"{day:%Y-%m-%d}" for day in column]
    return [_cell(value) for value in column]


def _cell(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return text_cell(json.dumps(value, ensure_ascii=False, default=str))
    if value is None or pd.isna(value):
        return ""
    if hasattr(value, "item"):  # a number of numpy's
        value = value.item()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float, Decimal)):
        return number_cell(value)
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date):
        return value.isoformat()
    return text_cell(str(value))


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat()
    return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
