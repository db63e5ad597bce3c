"""Texts that may not be in a link, as links end up in histories, logs and other people's mail.

The link has a name instead, which only the visitor who typed the text can use, until the server restarts.
"""

import hmac
import secrets
from collections import OrderedDict
from typing import Any

import streamlit as st

from analytics.ui.frame import sign_in

MAX_TEXTS = 10_000
_BEGIN = "phone-"


def hide(text: str) -> str:
    """The name for a text: the same whenever the same visitor types it."""
    secret, texts = _texts()
    name = _BEGIN + hmac.digest(secret, repr((sign_in.identity(), text)).encode(), "sha256").hex()[:16]
    texts[name, sign_in.identity()] = text
    texts.move_to_end((name, sign_in.identity()))
    while len(texts) > MAX_TEXTS:
        texts.popitem(last=False)
    return name


def reveal(name: str) -> str | None:
    """The text of a name; None where it is gone. Anything that is no such name is the text itself."""
    if not name.startswith(_BEGIN):
        return name
    return _texts()[1].get((name, sign_in.identity()))


@st.cache_resource
def _texts() -> tuple[bytes, "OrderedDict[tuple[str, Any], str]"]:
    return secrets.token_bytes(32), OrderedDict()
