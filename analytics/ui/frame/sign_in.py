"""Signing in and out, and whether a visitor sits at this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import streamlit as st

from analytics import config
from analytics.access.viewer import Identity
from analytics.errors import NotAMember

_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
# Headers that a proxy adds, whose visitors may come from anywhere; also all that begin with X-Forwarded.
_FORWARDED = frozenset({"forwarded", "via", "x-real-ip"})
_CARD_WIDTH = 440  # pixels, and less on a phone


def identity() -> Identity | None:
    """Who this visitor is, says the identity provider; None where nobody has signed in."""
    user = st.user.to_dict()
    if not user.get("is_logged_in"):
        return None
    email = user.get("email")
    return Identity(
        email=email if isinstance(email, str) else None,
        # Some providers send texts.
        is_email_verified=str(user.get("email_verified")).lower() == "true",
        provider=str(user.get("provider")),
    )


@dataclass(frozen=True, kw_only=True)
class Handshake:
    """How a visitor's browser opened its connection."""

    headers: Mapping[str, Sequence[str]]
    """By name in lower case."""
    address: str | None
    """The address of its machine; None for this one."""

    def only(self, name: str) -> str | None:
        """The header of this name; None where it is missing or repeated."""
        values = self.headers.get(name, ())
        return values[0] if len(values) == 1 else None


def handshake() -> Handshake:
    """The handshake of this session; without headers where the visitor has left."""
    headers = st.context.headers
    return Handshake(
        headers={name.lower(): headers.get_all(name) for name in headers}, address=st.context.ip_address
    )


def is_at_this_machine() -> bool:
    """Whether the server listens only to this machine, and a browser here shows a page of ours.

    A client that names no page is not a browser: any program may connect here, for anybody.
    """
    came = handshake()
    host, origin = came.only("host"), came.only("origin")
    # The addresses that the browser used reveal a proxy that adds no header, and a foreign page that sends
    # the browser here by another name.
    return (
        st.get_option("server.address") in _THIS_MACHINE
        and came.address is None
        and host is not None
        and _host(host) in _THIS_MACHINE
        and origin in (f"http://{host}", f"https://{host}")
        and not any(name in _FORWARDED or name.startswith("x-forwarded") for name in came.headers)
    )


def _host(netloc: str) -> str | None:
    try:
        parts = urlsplit(f"//{netloc}")
    except ValueError:
        return None
    return None if parts.username is not None else parts.hostname


def ask_to_sign_in(auth: Mapping[str, Any]) -> None:
    """The page for visitors who have not signed in: a button per identity provider."""
    with st.container(border=True, width=_CARD_WIDTH, key="sign-in"):
        st.markdown("## :material/lock: For members only", width="content")
        st.markdown("Sign in to see the usage and cost of your clients.")
        _sign_in_buttons(auth, kind="primary", width="stretch")


def refuse(error: NotAMember) -> None:
    """The page for visitors who have signed in but are not members."""
    message = str(error)
    with st.container(border=True, width=_CARD_WIDTH, key="not-a-member"):
        st.markdown("## :material/lock: You are not a member yet", width="content")
        st.text(f"{message[:1].upper()}{message[1:]}.")
        if st.button("Sign in with another account", icon=":material/switch_account:", width="stretch"):
            st.logout()


def account(auth: Mapping[str, Any]) -> None:
    """In the sidebar: the account with a button to sign out, or buttons to sign in, where there is [auth]."""
    if not auth:
        return
    who = identity()
    st.divider()
    if who is None:
        _sign_in_buttons(auth, kind="tertiary")
        return
    with st.container(gap=None):
        st.caption("Signed in as")
        st.text(who.email or "an account without an email address")
    if st.button("Sign out", icon=":material/logout:", type="tertiary"):
        st.logout()


def _sign_in_buttons(
    auth: Mapping[str, Any],
    *,
    kind: Literal["primary", "tertiary"],
    width: Literal["content", "stretch"] = "content",
) -> None:
    for provider, label in _providers(auth).items():
        if st.button(label, type=kind, icon=":material/login:", key=f"sign-in-{provider}", width=width):
            st.login(provider)


def _providers(auth: Mapping[str, Any]) -> dict[str | None, str]:
    """The name of each provider for st.login(), and the label of its button."""
    names = config.providers(auth)
    if names == [config.UNNAMED_PROVIDER]:
        return {None: "Sign in"}
    return {name: f"Sign in with {name.replace('_', ' ').title()}" for name in names}
