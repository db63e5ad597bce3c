"""Errors that a user may meet; each names the value, the object and the remedy.

AnalyticsError
├── InvalidInput            a value that was given cannot be used
│   └── UnknownClient       no such client
├── ConfigurationError      the settings cannot be used
└── DatabaseError           the database answered with an error
    ├── DatabaseUnavailable it did not answer at all
    ├── DataRefused         it answered that the data cannot be stored
    └── SchemaMissing       it lacks (part of) our migrations
"""


class AnalyticsError(Exception):
    """Base of every error that this package raises on purpose."""


class InvalidInput(AnalyticsError):
    """A value that was given cannot be used; the message says which would do."""


class UnknownClient(InvalidInput):
    """No client has the id or name that was asked for."""


class ConfigurationError(AnalyticsError):
    """The settings (secrets, environment) cannot be used as they stand."""


class DatabaseError(AnalyticsError):
    """The database refused a statement."""


class DatabaseUnavailable(DatabaseError):
    """The database could not be reached, or went away."""


class DataRefused(DatabaseError):
    """The database refused the data itself: sent again, they would be refused again."""


class SchemaMissing(DatabaseError):
    """A table or function of ours is not there: the migrations were not applied."""
