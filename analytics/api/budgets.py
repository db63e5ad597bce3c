"""GET /api/budgets and GET /api/budgets/check: the budgets of a key's client."""

import json
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from analytics.access.keys import Key
from analytics.api import models
from analytics.api.auth import Guard
from analytics.api.cache import SingleFlightCache
from analytics.api.parameters import checked, described_alone
from analytics.api.service import Service
from analytics.api.work import Work
from analytics.budgets.judging import Rule, judge
from analytics.calls.validation import scope_names, typed_tags
from analytics.queries import TAG

FRESH_SECONDS = 5
"""How long the budgets are kept, as check_budget() keeps them."""
MAX_CLIENTS = 10_000

_JSON = "application/json"
_A_TAG = f"{TAG}<key>"
_TAG_PARAMETER = {
    "name": _A_TAG,
    "in": "query",
    "required": False,
    "schema": {"type": "string"},
    "description": "The value of a tag",
}


def make_budgets_router(service: Service, guard: Guard, work: Work) -> APIRouter:
    """Both routes, over one service."""
    router = APIRouter()
    rules: SingleFlightCache[tuple[list[Rule], datetime]] = SingleFlightCache(
        seconds=FRESH_SECONDS, capacity=MAX_CLIENTS, threads=work.database_threads
    )
    reader = Annotated[Key, Depends(guard.key("read"))]

    @router.get(
        "/api/budgets",
        summary="The budgets of the key's client, and what is spent of them",
        response_model=models.BudgetsAnswer,
        responses=models.REFUSALS,
    )
    async def budgets(request: Request, key: reader) -> Response:
        """What is spent until now, and until the end of today where calls are dated ahead."""
        checked(dict(request.query_params), models.NoQuery)
        now = datetime.now(UTC)
        async with work.place(key.id):
            body = await work.ask_database(key.id, lambda: service.budgets(key.client_id, now))
        return Response(body, media_type=_JSON, headers={"Cache-Control": "private, no-cache"})

    @router.get(
        "/api/budgets/check",
        summary="Whether the budgets of the key's client allow another call",
        response_model=models.CheckAnswer,
        responses=models.REFUSALS,
        openapi_extra={"parameters": [*described_alone(models.CheckQuery), _TAG_PARAMETER]},
    )
    async def check(request: Request, key: reader) -> Response:
        """By sums that are a few seconds old at the most. Budgets of all clients together count, too."""
        given = request.query_params
        tags = {name.removeprefix(TAG): value for name, value in given.items() if name.startswith(TAG)}
        asked = checked(
            {name: value for name, value in given.items() if not name.startswith(TAG)},
            models.CheckQuery,
            [_A_TAG],
        )
        names = scope_names(
            key.client_id,
            asked.provider,
            asked.model,
            asked.operation,
            asked.conversation_id,
            typed_tags(tags),
        )
        found = rules.get(key.client_id)
        if found is None:
            ask = work.timed(key.id, lambda: service.budget_rules(key.client_id))
            async with work.place(key.id):
                found = rules.get(key.client_id) or await rules.ask(key.client_id, ask)
        read, read_at = found
        now = datetime.now(UTC)
        age = max((now - read_at).total_seconds(), 0.0)
        answer = judge(read, names, now.timestamp(), age, tells_all=False)._asdict()
        answer["until"] = answer["until"] and answer["until"].isoformat()
        return Response(json.dumps(answer), media_type=_JSON, headers={"Cache-Control": "private, no-store"})

    return router
