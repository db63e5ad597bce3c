"""Who is at the command line, and what it may be shown."""

import getpass

from analytics.errors import InvalidInput


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
