"""The tags of a span's call: what fits, and how many did not."""

import json
import re
from collections.abc import Mapping

from analytics.calls.row import MAX_TAGS, refused_text

# A phone is not what a team groups by, and no tag: it is the call's phone, which is masked.
_PHONE = re.compile(r"(?:tel:|whatsapp:|sms:)?\+?(?:[\s().-]*\d){10,15}[\s().-]*(?:@[\w.]+)?", re.IGNORECASE)


def is_phone(text: str) -> bool:
    """Whether the text is a phone number with its country, however it is written."""
    return _PHONE.fullmatch(text) is not None


def labelled(labels: object) -> dict[str, str]:
    """Tags of a list of words, as Langfuse has them: "feature:search" is one of feature, "beta" is true."""
    if isinstance(labels, str):
        try:
            labels = json.loads(labels)
        except ValueError:
            labels = str(labels).split(",")
    if not isinstance(labels, (list, tuple)):
        return {}
    tags: dict[str, str] = {}
    for label in labels:
        if isinstance(label, str):
            key, _, value = label.partition("=" if "=" in label and ":" not in label else ":")
            if key.strip():
                tags[key.strip()] = value.strip() or "true"
    return tags


def fitting(tags: Mapping[str, str]) -> tuple[dict[str, str], int]:
    """The tags that a call can keep, and how many were left out: too many, or too long."""
    fit = {
        key: tag
        for key, tag in tags.items()
        if key.strip() and refused_text(key.strip()) is None and refused_text(tag) is None
    }
    if len(fit) > MAX_TAGS:
        # What the application chose itself comes last, and stays.
        fit = dict(list(fit.items())[-MAX_TAGS:])
    return fit, len(tags) - len(fit)
