"""Where a price comes from, in plain words."""

from typing import Any

import pytest

from analytics.pricing.explained import price_in_words

PUBLIC = {"list": "genai-prices 0.2.3", "model": "gpt-4o"}


@pytest.mark.parametrize(
    ("basis", "metadata", "words"),
    [
        ("priced", {"price": PUBLIC}, "public price of gpt-4o, by genai-prices 0.2.3"),
        ("priced", {"price": {"list": "client", "model": "gpt-4"}}, "this client's own price of gpt-4"),
        ("priced", {"price": {"list": "installation", "model": "*"}},
         "the installation's price of all models of groq"),
        ("priced", {"price": {"reason": "failed: nothing to pay"}}, "failed: nothing to pay"),
        ("unpriced", {"price": {"reason": "no price is known for x"}}, "no price is known for x"),
        ("given", {"price": {"list": "stated", "reason": "none"}},
         "what the provider said that it cost, as no list has a price"),
        ("plan", {"price": {"list": "plan", "plan": "max", "at_list_prices_usd": "0.0123"}},
         'nothing by itself: the subscription "max" pays; 0.0123 USD at list prices'),
        ("plan", {"price": {"list": "plan", "plan": "max"}},
         'nothing by itself: the subscription "max" pays'),
        ("unpriced", {"price": {"plan": "unknown", "at_list_prices_usd": "0.0123"}},
         "it is not known whether a subscription pays, which may make it nothing; 0.0123 USD at list prices"),
        ("given", None, "the cost that was logged with the call"),
        ("unpriced", {}, "no price is known"),
        ("priced", {"price": "odd"}, "by a list, which the call does not name"),
        ("estimated", {"price": PUBLIC, "tokens_estimated": True},
         "public price of gpt-4o, by genai-prices 0.2.3; the tokens are an estimate"),
        ("priced", {"price": {**PUBLIC, "corrected": "openai.com, 2026-11-26"}},
         "public price of gpt-4o, by genai-prices 0.2.3; corrected: openai.com, 2026-11-26"),
        ("estimated", {"price": {**PUBLIC, "estimated": "half for a batch"}},
         "public price of gpt-4o, by genai-prices 0.2.3; estimated: half for a batch"),
        ("priced", {"price": {"list": "client", "model": "*", "discount_percent": "20",
                              "of": "genai-prices 0.2.3 gpt-4o"}},
         "20 percent off genai-prices 0.2.3 gpt-4o, by this client's own price of all models of groq"),
    ],
)  # fmt: skip
def test_words(basis: str, metadata: dict[str, Any] | None, words: str) -> None:
    assert price_in_words(basis, metadata, "groq") == words
