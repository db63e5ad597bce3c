"""GET /api/metrics: what Prometheus is told of a client."""

from decimal import Decimal
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from analytics.database import Database
from tests import factories
from tests.api import bearer, open_api

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def test_counters_are_the_sums(database: Database) -> None:
    acme, other = factories.client(database), factories.client(database, "Other")
    strange = 'a"b\\c\n{x}'
    factories.insert_usage(
        database,
        factories.usage_log(
            acme, model="gpt-4", prompt_tokens=100, completion_tokens=20, cost_usd=Decimal("0.25")
        ),
        factories.usage_log(
            acme, model="gpt-4", prompt_tokens=1, completion_tokens=2, cost_usd=Decimal("0.5")
        ),
    )
    database.fold()
    factories.insert_usage(
        database,
        factories.usage_log(acme, **tokens(7, 0, strange), cost_usd=0, cost_basis="unpriced"),
        factories.usage_log(other, model="gpt-4", cost_usd=9),
        factories.usage_log(acme, **tokens(3, 1, None), cost_usd=Decimal("0.1")),
        factories.usage_log(acme, **tokens(4, 1, ""), cost_usd=Decimal("0.2")),
    )
    api, headers = open_api(database), bearer(database, acme)

    for accept, parse in ((OPEN_METRICS, open_metrics), ("*/*", prometheus)):
        response = api.get("/api/metrics", headers={**headers, "accept": accept})
        assert response.status_code == 200
        assert ("openmetrics" in response.headers["content-type"]) is (accept == OPEN_METRICS)
        told = {
            (sample.name, sample.labels["model"], sample.labels.get("type")): sample.value
            for family in parse(response.text)
            for sample in family.samples
        }
        assert sum(len(family.samples) for family in parse(response.text)) == len(told)
        assert told == {
            ("usage_requests_total", "", None): 2,
            ("usage_requests_unpriced_total", "", None): 0,
            ("usage_cost_usd_total", "", None): 0.3,
            ("usage_tokens_total", "", "prompt"): 7,
            ("usage_tokens_total", "", "completion"): 2,
            ("usage_requests_total", "gpt-4", None): 2,
            ("usage_requests_total", strange, None): 1,
            ("usage_requests_unpriced_total", "gpt-4", None): 0,
            ("usage_requests_unpriced_total", strange, None): 1,
            ("usage_cost_usd_total", "gpt-4", None): 0.75,
            ("usage_tokens_total", "gpt-4", "prompt"): 101,
            ("usage_tokens_total", "gpt-4", "completion"): 22,
            ("usage_tokens_total", strange, "prompt"): 7,
            ("usage_tokens_total", strange, "completion"): 0,
        }


def test_a_client_without_calls_has_no_counters(database: Database) -> None:
    acme = factories.client(database)
    response = open_api(database).get("/api/metrics", headers=bearer(database, acme))
    assert response.status_code == 200
    assert [list(each.samples) for each in prometheus(response.text)] == [[]] * 4


def tokens(prompt: int, completion: int, model: str | None = "gpt-4") -> dict[str, Any]:
    return {"model": model, "prompt_tokens": prompt, "completion_tokens": completion}
