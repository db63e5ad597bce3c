"""Moments as people write them on the command line."""

from contextlib import suppress
from datetime import UTC, datetime

from analytics.errors import InvalidInput

MIN_YEAR, MAX_YEAR = 2000, 9000


def moment(text: str) -> datetime:
    """`2026-10-01` or `2026-10-01T12:00`, in UTC unless it says.

    Raises:
        InvalidInput: it is neither.
    """
    with suppress(ValueError):
        found = datetime.fromisoformat(text.strip())
        if MIN_YEAR <= found.year <= MAX_YEAR:
            return found if found.tzinfo else found.replace(tzinfo=UTC)
    raise InvalidInput(f'--from must be like 2026-10-01 or 2026-10-01T12:00, not "{text}"')
