"""Who is at the other end of this session: signing in and out, and whether they sit at this machine."""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import streamlit as st

from analytics import config
from analytics.access import Identity
from analytics.errors import NotAMember

_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
# Put there by a proxy in front, whose visitors may come from anywhere; and all that begin with X-Forwarded.
_FORWARDED = frozenset({"forwarded", "via", "x-real-ip"})
_CARD_WIDTH = 440  # pixels, and less on a phone


def identity() -> Identity | None:
    """Whom the identity provider says that this visitor is; None where nobody has signed in."""
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


def is_at_this_machine() -> bool:
    """Whether the server listens to this machine only, and no proxy brought this visitor here."""
    headers = {name.lower(): value for name, value in st.context.headers.items()}
    # A proxy that says nothing of itself, and a page of somebody else's that makes the browser ask us by
    # another name, are known by the addresses that the browser went by.
    addresses = [f"//{headers.get('host', 'localhost')}", headers.get("origin", "//localhost")]
    return (
        st.get_option("server.address") in _THIS_MACHINE
        and all(_host(address) in _THIS_MACHINE for address in addresses)
        and not any(name in _FORWARDED or name.startswith("x-forwarded") for name in headers)
    )


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def ask_to_sign_in(auth: Mapping[str, Any]) -> None:
    """The page of somebody who has not signed in yet: a button per identity provider."""
    with st.container(border=True, width=_CARD_WIDTH, key="sign-in"):
        st.markdown("## :material/lock: For members only", width="content")
        st.markdown("Sign in to see the usage and cost of your clients.")
        _sign_in_buttons(auth, kind="primary", width="stretch")


def refuse(error: NotAMember) -> None:
    """The page of somebody who has signed in and is no member."""
    message = str(error)
    with st.container(border=True, width=_CARD_WIDTH, key="not-a-member"):
        st.markdown("## :material/lock: You are not a member yet", width="content")
        st.text(f"{message[:1].upper()}{message[1:]}.")
        if st.button("Sign in with another account", icon=":material/switch_account:", width="stretch"):
            st.logout()


def account(auth: Mapping[str, Any]) -> None:
    """In the sidebar: as whom this visitor is signed in and a way out, or a way in, where there is [auth]."""
    if not auth:
        return
    who = identity()
    st.divider()
    if who is None:
        _sign_in_buttons(auth, kind="tertiary")
        return
    with st.container(gap=None):
        st.caption("Signed in as")
        st.text(who.email or "somebody without an email address")
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
    """What st.login() calls each provider, and what its button says."""
    names = config.providers(auth)
    if names == [config.UNNAMED_PROVIDER]:
        return {None: "Sign in"}
    return {name: f"Sign in with {name.replace('_', ' ').title()}" for name in names}
