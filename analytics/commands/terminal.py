"""What commands have in common: who is at the terminal, days in options, and text that is safe to print."""

import getpass
from collections.abc import Sequence
from datetime import date

from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.queries import TAG, Filters, is_filter
from analytics.queries.filters import DIMENSIONS

_MAX_SHOWN = 60


def person(by: str | None) -> str:
    """The name given with --by, else that of the machine's user.

    Raises:
        InvalidInput: there is neither.
    """
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may know its user by number only
        raise InvalidInput("this machine has no name for its user: say who it is with --by NAME") from None


def printable(text: str) -> str:
    """The text without what a terminal would obey: names come from whoever logs calls."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def day_of(option: str, text: str) -> date:
    """The day that an option names.

    Raises:
        InvalidInput: it is none.
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(f'{option} must be a day such as 2026-03-18, not "{text}"') from None


def days_of(first: str, last: str) -> Days:
    """The days of --from and --to.

    Raises:
        InvalidInput: one is not a day, or the two are not valid days together.
    """
    days = day_of("--from", first), day_of("--to", last)
    try:
        return Days(*days)
    except InvalidInput as error:
        raise error.named("--from and --to") from None


def filters_of(conditions: Sequence[str]) -> Filters:
    """The filters of options --where, each as `model=gpt-4o,o1` or, to leave out, `provider!=groq`.

    Raises:
        InvalidInput: one is none, or they cannot hold together.
    """
    pairs: list[tuple[str, str]] = []
    for condition in conditions:
        name, equals, values = condition.partition("=")
        if not equals or not is_filter(name):
            raise InvalidInput(
                f'--where must be NAME=VALUES or NAME!=VALUES, not "{printable(condition[:_MAX_SHOWN])}"; '
                f"names: {', '.join(DIMENSIONS)}, {TAG}<key>"
            )
        pairs.append((name, values))
    return Filters.parse(pairs)
