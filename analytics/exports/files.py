"""Names and content types of exported files."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote

from analytics.days import Days
from analytics.formatting import folded
from analytics.queries import NO_FILTERS, Condition, Filters

Format = Literal["csv", "focus", "pdf"]

CONTENT_TYPES: Mapping[Format, str] = {"csv": "text/csv", "focus": "text/csv", "pdf": "application/pdf"}

_CONTENTS: Mapping[Format, str] = {"csv": "calls", "focus": "focus", "pdf": "statement"}
_ENDINGS: Mapping[Format, str] = {"csv": "csv", "focus": "csv", "pdf": "pdf"}
# Of the client's name and of the filters: letters, and bytes, as file systems count those (255 in all).
_MAX_LETTERS, _MAX_BYTES = 60, 90


def file_name(format: Format, client_name: str, days: Days, filters: Filters = NO_FILTERS) -> str:
    """A name that every file system takes: `calls-aurora-clinicas-2026-03-01-to-2026-03-31.csv`.

    Letters and digits of all scripts stay, in lower case and without their accents. With filters it goes on
    `-filtered-model-gpt-4o`, as far as there is room.
    """
    client = _hyphenated(client_name) or "client"
    name = f"{_CONTENTS[format]}-{client}-{days.first}-to-{days.last}"
    if filters:
        name = f"{name}-filtered-{_hyphenated(' '.join(map(_words, filters)))}"
    return f"{name}.{_ENDINGS[format]}"


def content_disposition(name: str) -> str:
    """The header that has a browser save an answer under `name` (RFC 6266)."""
    if name.isascii():
        return f'attachment; filename="{name}"'
    # For those who do not know the second form, which others prefer.
    plain = re.sub("[^a-z0-9.]+", "-", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _words(condition: Condition) -> str:
    values = (value or "none" for value in condition.values)
    return " ".join([condition.name, *(["not"] if condition.is_excluded else []), *values])


def _hyphenated(text: str) -> str:
    # Composed again, as what folding leaves is letters and their signs apart (Hangul, kana).
    letters = unicodedata.normalize("NFC", folded(text))
    # Letters, digits, and the signs that belong to a letter, as in Hindi.
    hyphenated = "".join(letter if unicodedata.category(letter)[0] in "LNM" else "-" for letter in letters)
    short = re.sub("-+", "-", hyphenated).strip("-")[:_MAX_LETTERS]
    return short.encode()[:_MAX_BYTES].decode(errors="ignore").strip("-")
