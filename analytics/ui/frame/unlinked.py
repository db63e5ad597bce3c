"""Texts that may not be in a link, as links end up in histories, logs and other people's mail.

The link has a name instead, which only the visitor who typed the text can use, until the server restarts.
"""

import hmac
import re
import secrets
from collections import OrderedDict
from typing import Any

import streamlit as st

from analytics.errors import InvalidInput
from analytics.ui.frame import sign_in

MAX_TEXTS = 10_000
_BEGIN = "phone-"
_FEWEST_DIGITS = 7
_PHONE = re.compile(r"[\d\s().+-]*\d{5}[\d\s().+-]*")


def may_be_phone(text: str) -> bool:
    """Whether a text has as many digits as a phone."""
    return sum(sign.isdigit() for sign in text) >= _FEWEST_DIGITS


def spell(text: str) -> str:
    """A text that was typed, as a link has it: one that may be a phone by a name."""
    return hide(text) if _PHONE.fullmatch(text) else text


def parse(value: str) -> str:
    """The text of which a link has this.

    Raises:
        InvalidInput: it is a name of a text that is gone.
    """
    text = reveal(value)
    if text is None:
        raise InvalidInput("a phone number that was searched for is not in the link: type it once more")
    return text


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
