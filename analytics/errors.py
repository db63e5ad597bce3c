"""Errors that a user may meet; each names the value, the object and the remedy.

AnalyticsError
├── InvalidInput            a value is not valid
│   └── UnknownClient       no such client
├── ConfigurationError      a setting is not valid
├── AccessRefused           the visitor may not see this
│   ├── SignInNeeded        the visitor has not signed in
│   ├── NotAMember          the visitor is not a member
│   └── AccessNotSetUp      access is not configured
└── DatabaseError           the database answered with an error
    ├── DatabaseUnavailable it did not answer
    ├── DataRefused         it cannot store the data
    ├── CorrectionStopped   in the midst of a correction of costs
    └── SchemaMissing       a migration is not applied
"""

from collections.abc import Callable


class AnalyticsError(Exception):
    """Base of every error that this package raises on purpose."""

    @property
    def for_everybody(self) -> str:
        """The part of the message that also people may read who do not run the installation."""
        return str(self)


class InvalidInput(AnalyticsError):
    """A value is not valid; the message says which values are."""

    def named(self, option: str) -> "InvalidInput":
        """The same, with the option's name in front, as the command line, the API or a page calls it."""
        return InvalidInput(f"{option}: {self}")


class UnknownClient(InvalidInput):
    """No client has this id or name."""


class ConfigurationError(AnalyticsError):
    """A setting (secrets, environment) is not valid."""


class AccessRefused(AnalyticsError):
    """The visitor may not see this."""


class SignInNeeded(AccessRefused):
    """The visitor has not signed in, and only members may look."""


class NotAMember(AccessRefused):
    """The visitor has signed in and is not a member of any client."""


class AccessNotSetUp(AccessRefused):
    """There are real numbers, and access to them is not configured."""


class DatabaseError(AnalyticsError):
    """The database refused a statement. The message has its address, which is not for everybody."""

    @property
    def for_everybody(self) -> str:
        return "the database does not answer: try again in a moment"


class DatabaseUnavailable(DatabaseError):
    """The database does not answer. `is_back` says, without waiting, whether it answers again."""

    def __init__(self, message: str, is_back: Callable[[], bool] | None = None) -> None:
        super().__init__(message)
        self.is_back = is_back


class DataRefused(DatabaseError):
    """The database refused the data: sent again, it would refuse it again."""

    @property
    def for_everybody(self) -> str:
        return "the database refuses this"


class CorrectionStopped(DatabaseError):
    """A correction of costs came to an end before it was whole; `done` says what is corrected."""

    def __init__(self, cause: DatabaseError, done: str) -> None:
        super().__init__(f"{cause}; {done}")
        self._cause, self._done = cause, done

    @property
    def for_everybody(self) -> str:
        return f"{self._cause.for_everybody}; {self._done}"


class SchemaMissing(DatabaseError):
    """A table or function is missing: a migration is not applied."""

    @property
    def for_everybody(self) -> str:
        return 'whoever runs this dashboard sets it up with "python -m analytics migrate"'
