"""Imports that need the packages of the dashboard."""

from collections.abc import Iterator
from contextlib import contextmanager

from analytics.errors import ConfigurationError


@contextmanager
def dashboard_packages() -> Iterator[None]:
    """Around imports that need the extra "dashboard". The CSV of calls and other commands need no pandas.

    Raises:
        ConfigurationError: a package is not there; the message names it and the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'this needs {error.name}, which comes with pip install "usage-analytics[dashboard]"'
        ) from None
