"""Loads what ships calls (SQLAlchemy, psycopg) when the first call is shipped, in the thread that ships.

An application that only logs calls starts without it. A fork waits until it is loaded: a child would wait for
ever for a module that a thread of its parent was just importing.
"""

import threading
from importlib import import_module

_MODULES = ("analytics.tracking.delivery", "analytics.migrations")

# Reentrant: a handler of a signal may log a call, too.
_loading = threading.RLock()
_is_loaded = False


def load(*further: str) -> None:
    """Imports what ships calls, and further modules, or waits until another thread has."""
    global _is_loaded
    if further:
        with _loading:
            for module in further:
                import_module(module)
    if not _is_loaded:
        with _loading:
            for module in _MODULES:
                import_module(module)
            _is_loaded = True


def before_fork() -> None:
    """Waits until nothing is being loaded, until after_fork()."""
    _loading.acquire()


def after_fork_in_parent() -> None:
    _loading.release()


def after_fork_in_child() -> None:
    global _loading
    _loading = threading.RLock()
