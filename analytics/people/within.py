"""Finds texts of the database in which a phone or a conversation of a person stands."""

import json
from typing import LiteralString

from analytics.people.pseudonyms import APART, LEAST_DIGITS, UUID_TEXT, Pseudonyms, digits_of

MANY_CONVERSATIONS = 50
"""Of more than these all ids in metadata are looked at here, as the expression for them would be too long."""

HOLDS: LiteralString = """
    (
        {text} ~ any(%(patterns)s::text[])
        or {text} ~* any(%(ids)s::text[])
        or exists (select from unnest(%(texts)s::text[]) as held (text) where strpos({text}, held.text) > 0)
    )
"""
"""Whether {text} may name the person, with the values of looked_for()."""


def looked_for(pseudonyms: Pseudonyms) -> dict[str, list[str]]:
    """Expressions and texts that every text has which text() changes; others may have them, too."""
    digits = sorted({found for phone in pseudonyms.phones if (found := digits_of(phone))})
    texts = [phone for phone in pseudonyms.phones if not digits_of(phone) and len(phone) >= LEAST_DIGITS]
    handles = [old for old, _ in pseudonyms.handles.values()]
    ids = [conversation.hex for conversation in pseudonyms.conversations]
    if len(ids) > MANY_CONVERSATIONS:
        ids = [UUID_TEXT]
    else:
        ids = ["-?".join((each[:8], each[8:12], each[12:16], each[16:20], each[20:])) for each in ids]
    return {
        # Without what stands around them, which takes PostgreSQL twenty times as long to look at.
        "patterns": [APART.join(each) for each in digits],
        "ids": ["|".join([*ids, *handles])] if ids or handles else [],
        "texts": [json.dumps(text, ensure_ascii=False)[1:-1] for text in texts],
    }
