"""What a session remembers from one run of its script to the next, besides its address: all of it, typed.

Nothing else uses `st.session_state` (tests/test_architecture.py holds that).
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import streamlit as st

from analytics.days import Days

Value = TypeVar("Value")
_KEY = "session"


@dataclass(kw_only=True)
class AddressState:
    """The address that a session last drew, to tell a change from what is out of date."""

    page: str = ""
    query: dict[str, str] = field(default_factory=dict)
    past: list[dict[str, str]] = field(default_factory=list)
    """The address before each change of which the browser may not have heard yet."""
    values: dict[str, Any] = field(default_factory=dict)
    """What the control of each part shows."""
    redrawn: Counter[str] = field(default_factory=Counter)
    """How often each control became another widget, because it had to show another value than it did."""
    leave: dict[str, str] | None = None

    def come_to(self, page: str, query: dict[str, str]) -> None:
        """Takes over an address that the browser opened."""
        self.page, self.query, self.past, self.leave = page, query, [], None

    def key(self, name: str, value: Any) -> str:
        """The key of the control that shows `value`."""
        if self.values.get(name, value) != value:
            self.redrawn[name] += 1
        self.values[name] = value
        return self.current_key(name)

    def current_key(self, name: str) -> str:
        """The key that the control has now."""
        return f"{name} {self.redrawn[name]}" if self.redrawn[name] else name


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The client and the days that a kept result is about."""

    client_id: UUID
    days: Days


@dataclass(kw_only=True)
class Session:
    """All that a session remembers, besides the values of its widgets."""

    address: AddressState = field(default_factory=AddressState)
    is_operator: bool = False
    """Whether this visitor runs the installation, and may read where its database is."""
    sees_several_clients: bool = False
    results: dict[type, Any] = field(default_factory=dict)
    """What pages keep, one value of each type; see remember()."""
    results_here: dict[type, Any] = field(default_factory=dict)
    """The same, until another page is opened; see remember_here()."""


def session() -> Session:
    """That of the visitor whose script runs."""
    value: Session = st.session_state.setdefault(_KEY, Session())
    return value


def remember(value: object) -> None:
    """Keeps a value for the next runs, instead of the last one of its type."""
    session().results[type(value)] = value


def recall(kind: type[Value]) -> Value | None:
    """The value of this type; None where there is none."""
    return session().results.get(kind)


def take(kind: type[Value]) -> Value | None:
    """recall() and forget()."""
    value: Value | None = session().results.pop(kind, None)
    return value


def forget(kind: type) -> None:
    """Drops the value of this type, if there is one."""
    session().results.pop(kind, None)


def remember_here(value: object) -> None:
    """Keeps a value until its visitor opens another page, such as a secret that is shown once."""
    session().results_here[type(value)] = value


def recall_here(kind: type[Value]) -> Value | None:
    """The value of this type that this visit of the page keeps; None where there is none."""
    return session().results_here.get(kind)


def forget_here(kind: type) -> None:
    """Drops the value of this type that this visit of the page keeps."""
    session().results_here.pop(kind, None)


def value_of(key: str) -> Any:
    """The value of a widget, by its key; None where it has not been drawn."""
    return st.session_state.get(key)
