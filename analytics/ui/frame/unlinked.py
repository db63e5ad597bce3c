"""What is typed and may not stand in a link, as links end up in histories, logs and other people's mail.

The link has a name for it, which only whoever typed it can use, until the server starts again.
"""

import hmac
import secrets
from collections import OrderedDict
from typing import Any

import streamlit as st

from analytics.ui.frame import sign_in

MAX_KEPT = 10_000
_BEGIN = "phone-"


def kept(text: str) -> str:
    """The name for it: the same whenever the same visitor types it."""
    secret, texts = _kept()
    name = _BEGIN + hmac.digest(secret, repr((sign_in.identity(), text)).encode(), "sha256").hex()[:16]
    texts[name, sign_in.identity()] = text
    texts.move_to_end((name, sign_in.identity()))
    while len(texts) > MAX_KEPT:
        texts.popitem(last=False)
    return name


def found(name: str) -> str | None:
    """The text; None where it is not known any more. What is no such name stands for itself."""
    if not name.startswith(_BEGIN):
        return name
    return _kept()[1].get((name, sign_in.identity()))


@st.cache_resource
def _kept() -> tuple[bytes, "OrderedDict[tuple[str, Any], str]"]:
    return secrets.token_bytes(32), OrderedDict()
