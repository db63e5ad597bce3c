"""What people have: one small reader for each format. format.py says what a format is.

A file is of the first format of FORMATS that knows its columns, else its columns are taken by their names.
"""

from collections.abc import Sequence

from analytics.importing.formats import (
    anthropic,
    billing,
    claude_code,
    helicone,
    langfuse,
    litellm,
    litellm_daily,
    openai,
    openai_legacy,
    openrouter,
)
from analytics.importing.formats.format import Format, PassedOver, Row, simple

FORMATS: Sequence[Format] = (
    openai.USAGE,
    openai.COSTS,
    openai_legacy.USAGE,
    anthropic.USAGE,
    anthropic.COSTS,
    claude_code.SESSIONS,
    openrouter.GENERATIONS,
    openrouter.ACTIVITY,
    litellm.SPEND_LOGS,
    litellm_daily.ACTIVITY,
    litellm_daily.REPORT,
    langfuse.OBSERVATIONS,
    helicone.REQUESTS,
    billing.FOCUS,
    billing.AZURE,
)

__all__ = ["FORMATS", "Format", "PassedOver", "Row", "format_of", "simple"]


def format_of(columns: Sequence[str]) -> Format | None:
    """The format of a file with these columns, or None."""
    names = frozenset(simple(name) for name in columns)
    return next((each for each in FORMATS if each.knows(names)), None)
