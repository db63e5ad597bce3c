"""Cells of a CSV that Excel reads as meant, and that reads back to the last digit.

UTF-8 with a byte order mark, CRLF, a comma between cells, quotes by the csv module. A text that begins like a
formula (`= + - @`, their full-width forms, tab, CR, LF) gets an apostrophe in front; so does one that begins
with an apostrophe. Numbers never do, and are plain: no exponent, no rounding. So whoever reads takes one
leading apostrophe off a text cell and has the value. Missing and empty text are
both an empty cell.

With pandas: `read_csv(..., dtype=str, keep_default_na=False)`, or a model called "NA" would be missing.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_APOSTROPHE = "'"
# The signs by which OWASP knows the begin of a formula, and the one that marks them.
_MARKED = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", _APOSTROPHE)


def text_cell(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"{_APOSTROPHE}{text}" if text.startswith(_MARKED) else text


def number_cell(number: Decimal | int | float) -> str:
    """All digits of it, in plain decimal notation: `0.00000042`, `-3`."""
    exact = number if isinstance(number, Decimal) else Decimal(repr(number))
    return f"{exact:f}"


def csv_lines(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows of finished cells as lines of a CSV, without the byte order mark that a file begins with."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode()
