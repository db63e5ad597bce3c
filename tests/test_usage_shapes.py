"""Each object with what is read from it, to the last field, and what its call costs, to the last digit."""

import pytest

from analytics.calls.usage_objects import read_usage
from analytics.pricing.price_list import PriceList
from tests.usage_objects import (
    ai_sdk_cases,
    anthropic_cases,
    framework_cases,
    gateway_cases,
    google_cases,
    openai_cases,
    openai_response_cases,
    other_cases,
)
from tests.usage_objects.case import AT, Case

CASES: tuple[Case, ...] = (
    *openai_cases.CASES,
    *openai_response_cases.CASES,
    *anthropic_cases.CASES,
    *google_cases.CASES,
    *framework_cases.CASES,
    *ai_sdk_cases.CASES,
    *gateway_cases.CASES,
    *other_cases.CASES,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_read(case: Case) -> None:
    reading = read_usage(case.make(), case.source, case.model)

    expected = (case.usage, case.facts, case.answered_by, dict(case.told))
    assert (reading.usage, reading.facts, reading.model, dict(reading.not_understood)) == expected
    assert {name: value for name, value in reading.metadata.items() if name != "usage"} == case.metadata
    assert ("usage" in reading.metadata) == bool(case.told)


@pytest.mark.parametrize("case", [case for case in CASES if case.usd is not None], ids=lambda case: case.name)
def test_what_it_costs(case: Case) -> None:
    reading = read_usage(case.make(), case.source, case.model)

    cost = PriceList().cost(
        source=case.source,
        model=case.model or reading.model,
        at=AT,
        usage=reading.usage,
        tokens_estimated=bool(reading.not_understood),
        service_tier=reading.facts.service_tier,
    )

    assert (cost.amount_usd, cost.basis) == (case.usd, case.basis), cost.note
