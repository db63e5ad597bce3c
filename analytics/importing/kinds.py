"""What a file is by its beginning: CSV, JSON, Parquet, or something that is no log."""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from analytics.errors import InvalidInput
from analytics.importing.lines import MAX_LINE_BYTES

Kind = Literal["csv", "json lines", "json", "parquet"]

_NO_TEXT = {
    "PK\x03\x04": "an Excel workbook or another archive: save its sheet as CSV",
    "%PDF": "a PDF: export it as CSV or JSON",
    "SQLite format 3": "a SQLite database: export its table as CSV",
    "<": "HTML or XML, and no data: it may be a page that asked you to sign in",
}
"""How files begin that are none of ours -> what they are, and what to do."""
EXCELS_HINT = re.compile(r"sep=(.)\s*$")
"""The first line that Excel takes its delimiter from."""


def refuse_error(name: str, value: Mapping[str, Any]) -> None:
    """What an API answers in place of data."""
    error = value["error"]
    message = error.get("message") if isinstance(error, dict) else error
    if isinstance(message, str) and value.keys() <= {"error", "type", "request_id", "status", "code"}:
        raise InvalidInput(f'{name} has no data, but the error that an API answered with: "{message[:200]}"')


def kind_of(first: str, name: str) -> Kind:
    """By the first line that is not empty.

    Raises:
        InvalidInput: it is that of something else.
    """
    for begin, what in _NO_TEXT.items():
        if first.lstrip().startswith(begin):
            raise InvalidInput(f"{name} is {what}")
    begin = first.lstrip("\ufeff \t")
    if "\0" in first and not begin.startswith("PAR1"):
        raise InvalidInput(f"{name} has NUL bytes and is no text: name its encoding with --encoding")
    if begin.startswith("PAR1"):
        return "parquet"
    if begin.startswith("["):
        return "json"
    if not begin.startswith("{"):
        return "csv"
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        # An object over several lines; a line that is damaged ends as one.
        return "json lines" if begin.rstrip().endswith("}") else "json"
    # A page of an API may be one line, and long.
    return "json lines" if len(first) < MAX_LINE_BYTES else "json"
