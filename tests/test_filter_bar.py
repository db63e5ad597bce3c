"""What filters are called on a page."""

import pytest

from analytics.queries import Condition
from analytics.ui.frame.filter_bar import text_of

BLANK = "\N{NO-BREAK SPACE}"
ADA = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
HANDLE = "p" + "0" * 32


@pytest.mark.parametrize(
    ("name", "values", "is_excluded", "text"),
    [
        ("model", ["gpt-4o", "o1"], False, "Model: gpt-4o, o1"),
        ("model", [""], False, "Model: not told"),
        ("model", [""], True, "Model: told"),
        ("model", ["", "o1"], True, "Model: not o1, not told"),
        ("model", ["a", "b", "c", "d", "e"], False, "Model: a, b, c, 2 more"),
        ("model", ["x" * 60], False, f"Model: {'x' * 40}…"),
        ("provider", ["groq"], True, "Provider: not Groq"),
        ("provider", ["mistral"], False, "Provider: Mistral"),
        ("outcome", ["error"], False, "Outcome: error"),
        ("hour", ["09", "23"], False, "Hour: 09:00, 23:00"),
        ("weekday", ["mon", "sun"], True, "Weekday: not Mon, Sun"),
        ("tag.feature", ["chat"], False, "feature: chat"),
        ("tag.feature", [""], False, "without feature"),
        ("tag.feature", [""], True, "with feature"),
        ("tag.feature", ["", "chat"], False, "feature: chat, without feature"),
        ("tag.feature", ["(other)"], False, "feature: other (too many tags to keep apart)"),
        ("conversation", [ADA], False, "Conversation: Ada"),
        ("conversation", [HANDLE], False, "Conversation: p0000000…"),
        ("conversation", [""], False, "without conversation"),
        ("conversation", [""], True, "with conversation"),
        ("correction", [ADA], True, f"Correction: not {ADA[:8]}…"),
        ("at", ["2026-11-27T10:00Z..2026-11-27T10:05:30Z"], False, "Made: 27 Nov 2026, 15:30 to 15:35:30"),
        (
            *("at", ["2026-11-27T10:00Z..2026-11-27T20:00Z"], False),
            "Made: 27 Nov 2026, 15:30 to 28 Nov 2026, 01:30",
        ),
        ("latency", ["1500.."], False, f"Latency: from 1,500{BLANK}ms"),
        ("latency", ["..20"], False, f"Latency: below 20{BLANK}ms"),
        ("first-token", ["0..20"], False, f"First token: from 0{BLANK}ms to below 20{BLANK}ms"),
        ("conversation", ["", ADA], False, "Conversation: Ada, without conversation"),
    ],
)
def test_the_text_of_a_chip(name: str, values: list[str], is_excluded: bool, text: str) -> None:
    condition = Condition(name=name, values=tuple(values), is_excluded=is_excluded)
    assert text_of(condition, {ADA: "Ada"}, "Asia/Kolkata") == text
