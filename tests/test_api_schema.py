"""The API against its OpenAPI document: schemathesis tries what that allows, and what it does not."""

from typing import Any
from uuid import UUID

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from analytics.database import Database
from tests import factories
from tests.api import bearer, serving

SEED = 20_261_124
EXAMPLES = 40
"""Of each operation, besides those that cover each keyword of the document; under a minute in all."""
EXPORTS = 10
"""Of them, as every third is a statement."""

CHECKS: dict[str, Any] = {
    # The document cannot say that from comes before to and not with days, that a text is a decimal number, or
    # which of many shapes of a usage object there are.
    "positive_data_acceptance": {"enabled": False},
    # 413: more than 1,000 records. 207: of a list the good records are stored.
    "negative_data_rejection": {"expected-statuses": ["400", "401", "405", "413", "415", "207"]},
}


def configuration(reader: dict[str, str], writer: dict[str, str]) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "continue-on-failure": True,
            "generation": {"max-examples": EXAMPLES, "database": "none"},
            # Nothing that one operation answers is another one's input.
            "phases": {"stateful": {"enabled": False}},
            "checks": CHECKS,
            "operations": [
                *(
                    {"include-path": path, "headers": reader}
                    for path in ("/api/analytics", "/api/budgets", "/api/budgets/check")
                ),
                {
                    "include-path": "/api/export",
                    "headers": reader,
                    "generation": {"max-examples": EXPORTS},
                },
                {"include-path": "/api/usage", "headers": writer},
                {"include-path": "/v1/traces", "headers": writer},
            ],
        }
    )


def test_the_api_keeps_to_its_document(database: Database, acme: UUID) -> None:
    conversation_id = factories.conversation(database, acme, name="Ada", phone="551")
    factories.insert_usage(
        database,
        factories.usage_log(acme, conversation_id=conversation_id),
        factories.usage_log(acme, cost_usd=0, cost_basis="unpriced", model=None, phone=None),
    )
    config = configuration(bearer(database, acme), bearer(database, acme, "write"))
    problems: dict[str, str] = {}
    tried: dict[str, int] = {}
    with serving(database) as address:
        schema = schemathesis.openapi.from_url(f"{address}/api/openapi.json", config=config)
        for event in from_schema(schema).execute():
            assert not isinstance(event, events.FatalError), event
            if isinstance(event, events.NonFatalError):
                problems[event.label] = str(event.value)
            if not isinstance(event, events.ScenarioFinished) or event.status is Status.SKIP:
                continue
            recorder = event.recorder
            tried[recorder.label] = tried.get(recorder.label, 0) + len(recorder.interactions)
            for case_id, checks in recorder.checks.items():
                interaction = recorder.interactions[case_id]
                for check in checks:
                    if check.failure_info is not None:
                        problems[f"{recorder.label}: {check.name}: {check.failure_info.failure.title}"] = (
                            f"{check.failure_info.failure.message}\n{check.failure_info.code_sample}\n"
                            f"{interaction.response and interaction.response.text[:500]}"
                        )
    print(tried)
    assert not problems, "\n\n".join(f"{title}\n{text}" for title, text in problems.items())
