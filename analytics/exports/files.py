"""What the files are called, wherever they are taken from."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Literal

Format = Literal["csv", "focus", "pdf"]

CONTENT_TYPES: Mapping[Format, str] = {"csv": "text/csv", "focus": "text/csv", "pdf": "application/pdf"}

_CONTENTS: Mapping[Format, str] = {"csv": "calls", "focus": "focus", "pdf": "statement"}
_ENDINGS: Mapping[Format, str] = {"csv": "csv", "focus": "csv", "pdf": "pdf"}
_MAX_CLIENT = 60


def file_name(format: Format, client_name: str, first: date, last: date) -> str:
    """A name that every file system and header takes: `calls-acme-2026-03-01-to-2026-03-31.csv`."""
    client = re.sub(r"[^a-z0-9]+", "-", client_name.lower()).strip("-")[:_MAX_CLIENT] or "client"
    return f"{_CONTENTS[format]}-{client}-{first}-to-{last}.{_ENDINGS[format]}"
