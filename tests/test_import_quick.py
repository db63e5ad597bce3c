"""Of nearly all rows of an import a shorter way makes the call: the same call, to the letter."""

import csv
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from analytics.importing import CallReader, ImportPlan, plan_import
from analytics.importing.quick import QuickRows
from analytics.pricing.price_list import GUIDE_PRICES, ListedPrice, PriceList

CLIENT = UUID(int=7)
PRICES = PriceList(
    [
        *GUIDE_PRICES,
        ListedPrice(source="openai", model="o3", client_id=str(CLIENT), input_usd=Decimal(1)),
        ListedPrice(source="openai", model="o*", input_usd=Decimal(1), service_tier="batch"),
    ]
)
ORDINARY = {
    "created_at": ["2026-03-18T12:00:00+00:00", "2026-03-18 14:00:00.5+02:00", "2026-03-18T23:59:59"],
    "source": ["openai", "groq"],
    "model": ["gpt-4o", "o3", "llama-3.3-70b"],
    "prompt_tokens": ["1500", "300000"],
    "completion_tokens": ["80", "0"],
    "cached_tokens": ["", "7"],
    "reasoning_tokens": ["", "0"],
    "latency_ms": ["812", ""],
    "conversation_id": ["ticket 1", "ticket 2", ""],
    "phone": ["", "+5511999990000"],
    "tag.team": ["support", ""],
    "service_tier": ["", "batch"],
}
ODD = {
    "created_at": [
        "1773835200",
        "18.03.2026 12:00",
        "03/04/2026",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59Z",
        "",
    ],
    "source": [" OpenAI ", "whisper", "", "x" * 201],
    "model": ["", "GPT-4", "gpt-4o-search-preview", "tab\tand \\", "nobody-1", "x" * 201],
    "prompt_tokens": ["0", "007", "", "-1", "1.0", "1,000", "1e3", "\u0661", "9999999999999", "many"],
    "completion_tokens": ["0", " 8 ", "-0", "2.5", "NaN"],
    "cached_tokens": ["1501", "-1", "x"],
    "reasoning_tokens": ["79", "81"],
    "latency_ms": ["0.4", "-1", "2000000001", "1e2"],
    "conversation_id": ["7c9e6679-7425-40de-944b-e07fc1f90ae7", " ticket 1", "=ticket\t3\\", "x" * 201],
    "phone": ["'+5511999990000", " "],
    "tag.team": ["a\tb\\", '"', "x" * 201, "\u0000"],
    "service_tier": ["Flex", "DEFAULT"],
}


def records(number: int) -> list[dict[str, str]]:
    drawn = random.Random(number)
    return [
        {
            name: drawn.choice(ODD[name] if drawn.random() < 0.03 else ordinary)
            for name, ordinary in ORDINARY.items()
        }
        for _ in range(3_000)
    ]


def as_csv(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(ORDINARY))
        writer.writeheader()
        writer.writerows(rows)


def as_json_lines(path: Path, rows: list[dict[str, str]]) -> None:
    """With the provider's usage object, numbers that are numbers, and tags as an object."""
    with path.open("w", encoding="utf-8") as file:
        for number, row in enumerate(rows):
            told: dict[str, Any] = {name: value or None for name, value in row.items()}
            prompt, completion = (_number(told.pop(name)) for name in ("prompt_tokens", "completion_tokens"))
            usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion}
            if told.pop("cached_tokens"):
                usage["prompt_tokens_details"] = {"cached_tokens": _number(row["cached_tokens"])}
            if told.pop("reasoning_tokens"):
                usage["odd" if number % 9 else "queue_time"] = _number(row["reasoning_tokens"])
            told["tags"] = {"team": told.pop("tag.team"), **({"n": number % 3} if number % 2 else {})}
            told["created_at"] = _number(told["created_at"])
            told["latency_ms"] = _number(told["latency_ms"])
            file.write(json.dumps({**told, "usage": usage if number % 50 else None}) + "\n")


def _number(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except ValueError:
        return text


@pytest.mark.parametrize("write", [as_csv, as_json_lines])
@pytest.mark.parametrize("options", [{}, {"constants": {"source": "groq", "account": "main"}}])
def test_the_short_way_makes_the_same_call_as_the_long_one(
    tmp_path: Path, write: Any, options: dict[str, Any]
) -> None:
    path = tmp_path / "calls"
    write(path, records(1))
    plan: ImportPlan = plan_import(path, decimal=".", timezone="America/Sao_Paulo", **options)
    reader = CallReader(PRICES, CLIENT)
    quick = QuickRows(plan, PRICES, CLIENT)
    parser, wanted, taken = plan.parser(), list(plan.columns.values()), 0

    for row, record in zip(reader.read([plan]), plan.file.records(wanted, salt=CLIENT.bytes), strict=True):
        long = reader.read_row(plan, parser, record, record.values)
        assert (row.call, row.created_at, row.reason) == (long.call, long.created_at, long.reason)
        if record.values is not None and long.call is not None:
            if found := quick.call(record.digest, record.values):
                assert found == (long.call, long.created_at)
                taken += 1
            quick.learn(record.values, long.call)

    assert quick.are_possible
    assert taken > 1_000
