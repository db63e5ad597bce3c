"""Errors that a user may meet; each names the value, the object and the remedy.

AnalyticsError
├── InvalidInput            a value that was given cannot be used
│   └── UnknownClient       no such client
├── ConfigurationError      the settings cannot be used
├── AccessRefused           who is looking may not see this
│   ├── SignInNeeded        nobody has signed in
│   ├── NotAMember          whoever has signed in is no member
│   └── AccessNotSetUp      nobody said who may look
└── DatabaseError           the database answered with an error
    ├── DatabaseUnavailable it did not answer at all
    ├── DataRefused         it answered that the data cannot be stored
    └── SchemaMissing       it lacks (part of) our migrations
"""

from collections.abc import Callable


class AnalyticsError(Exception):
    """Base of every error that this package raises on purpose."""

    @property
    def for_everybody(self) -> str:
        """What of the message is for those, too, who do not run the installation."""
        return str(self)


class InvalidInput(AnalyticsError):
    """A value that was given cannot be used; the message says which would do."""


class UnknownClient(InvalidInput):
    """No client has the id or name that was asked for."""


class ConfigurationError(AnalyticsError):
    """The settings (secrets, environment) cannot be used as they stand."""


class AccessRefused(AnalyticsError):
    """Who is looking may not see this."""


class SignInNeeded(AccessRefused):
    """Nobody has signed in, and only members may look."""


class NotAMember(AccessRefused):
    """Whoever has signed in is a member of nothing here."""


class AccessNotSetUp(AccessRefused):
    """There are real numbers, and nobody said who may look at them."""


class DatabaseError(AnalyticsError):
    """The database refused a statement. The message says where it is, which is not for everybody."""

    @property
    def for_everybody(self) -> str:
        return "the database does not answer: try again in a moment"


class DatabaseUnavailable(DatabaseError):
    """The database could not be reached, or went away. `is_back` tells, without waiting, when it is over."""

    def __init__(self, message: str, is_back: Callable[[], bool] | None = None) -> None:
        super().__init__(message)
        self.is_back = is_back


class DataRefused(DatabaseError):
    """The database refused the data itself: sent again, they would be refused again."""

    @property
    def for_everybody(self) -> str:
        return "the database refuses this"


class SchemaMissing(DatabaseError):
    """A table or function of ours is not there: the migrations were not applied."""

    @property
    def for_everybody(self) -> str:
        return 'whoever runs this dashboard sets it up with "python -m analytics migrate"'
