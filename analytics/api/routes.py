"""The routes: parameters, status codes and headers. The work is done by Service."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, HTTPException, Request, Response

from analytics import bounded_json
from analytics.access.keys import Key
from analytics.api import models
from analytics.api.auth import Guard
from analytics.api.bodies import Bodies, content_type
from analytics.api.budgets import make_budgets_router
from analytics.api.cache import SingleFlightCache
from analytics.api.calls import Described, described_litellm, described_record
from analytics.api.compression import accepts_gzip
from analytics.api.exports import make_export_router
from analytics.api.metrics import CONTENT_TYPE, Metrics, usage_metrics
from analytics.api.parameters import described, parameters
from analytics.api.service import CachedAnswer, RecordResult, Service
from analytics.api.telemetry import make_telemetry_router
from analytics.api.work import Work
from analytics.queries.alerts import AlertState

ANSWER_SECONDS = 60
ALERT_STATE_SECONDS = 15
MAX_BYTES_OF_ANSWERS = 32_000_000
_JSON = "application/json"
_LITELLM_LOGS = {"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]}


def make_router(service: Service, guard: Guard, work: Work, metrics: Metrics) -> APIRouter:
    """All routes of one service."""
    router = APIRouter()
    bodies = Bodies()
    answers: SingleFlightCache[CachedAnswer] = SingleFlightCache(
        seconds=ANSWER_SECONDS,
        capacity=MAX_BYTES_OF_ANSWERS,
        threads=work.database_threads,
        size=lambda loaded: len(loaded.body) + len(loaded.compressed or b""),
    )
    # Anybody may ask, without a key: one request at a time reads the database, for all that wait.
    one_thread = anyio.CapacityLimiter(1)
    alert_states: SingleFlightCache[AlertState | None] = SingleFlightCache(
        seconds=ALERT_STATE_SECONDS, capacity=1, threads=one_thread
    )
    readiness: SingleFlightCache[str] = SingleFlightCache(seconds=0, capacity=1, threads=one_thread)
    reader = Annotated[Key, Depends(guard.key("read"))]
    writer = Annotated[Key, Depends(guard.key("write"))]

    @router.get(
        "/api/analytics",
        summary="The numbers of the key's client",
        response_model=models.AnalyticsAnswer,
        responses=models.REFUSALS | {304: {"description": "Nothing has changed since If-None-Match"}},
        openapi_extra={"parameters": described(models.AnalyticsQuery)},
    )
    async def analytics(request: Request, key: reader) -> Response:
        """At most a minute old; `Age` says how old. Nothing is zero or `[]`; unknown is null."""
        asked, filters = parameters(request, models.AnalyticsQuery)
        question = asked.request(filters)
        cache_key = key.client_id, question
        loaded = answers.get(cache_key)
        metrics.answers.labels("database" if loaded is None else "cache").inc()
        if loaded is None:
            ask = work.timed(key.id, lambda: service.answer(key.client_id, question))
            async with work.place(key.id):
                # Another request may have loaded it meanwhile.
                loaded = answers.get(cache_key) or await answers.ask(cache_key, ask)
        age = max(0, int((datetime.now(UTC) - loaded.loaded_at).total_seconds()))
        headers = {
            "Cache-Control": f"private, max-age={ANSWER_SECONDS}",
            "Age": str(age),
            # Weak: the same numbers, compressed or not.
            "ETag": f"W/{loaded.tag}",
            "Vary": "Authorization, Accept-Encoding",
        }
        if loaded.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if loaded.compressed is not None and accepts_gzip(request.headers):
            headers["Content-Encoding"] = "gzip"
            return Response(loaded.compressed, media_type=_JSON, headers=headers)
        # Where it is large enough, the middleware adds the other.
        headers["Vary"] = "Authorization"
        return Response(loaded.body, media_type=_JSON, headers=headers)

    router.include_router(make_export_router(service, guard, work))
    router.include_router(make_budgets_router(service, guard, work))
    router.include_router(make_telemetry_router(service, guard, work, metrics, bodies))

    @router.get(
        "/api/alerts",
        summary="What there is to tell of: budgets that are crossed, unusual days, silence, missing prices",
        response_model=models.AlertsAnswer,
        responses=models.REFUSALS,
    )
    async def alerts(key: reader) -> Response:
        """The newest alerts of the key's client, open ones first."""
        async with work.place(key.id):
            body = await work.ask_database(key.id, lambda: service.alerts(key.client_id))
        return Response(body, media_type=_JSON, headers={"Cache-Control": "no-store"})

    @router.get(
        "/api/metrics",
        summary="What the key's client has used so far, for Prometheus",
        response_class=Response,
        responses=models.REFUSALS,
    )
    async def used(request: Request, key: reader) -> Response:
        """Counters by provider and model, as OpenMetrics where that is asked for."""
        async with work.place(key.id):
            client, rows = await work.ask_database(key.id, lambda: service.usage_so_far(key.client_id))
        body, media_type = usage_metrics(client.name, rows, request.headers.get("accept", ""))
        headers = {"Content-Type": media_type, "Cache-Control": "private, no-store"}
        return Response(body, headers=headers)

    async def stored(request: Request, key: Key, describe: Callable[[bytes], list[Described]]) -> Response:
        content_type(request, _JSON)
        async with work.place(key.id), bodies.received(request) as body:
            calls = await work.read_body(key.id, lambda: describe(body.unpacked()))
            results = await work.ask_database(key.id, lambda: service.store(key.client_id, calls))
        metrics.count_calls(result.status for result in results)
        rejected = [result for result in results if result.status == "rejected"]
        content: dict[str, Any] = {"results": [_result_json(result) for result in results]}
        status = 207 if rejected else 200
        if results and len(rejected) == len(results):
            status, content["error"] = 400, f"no record was stored: {rejected[0].reason}"
        return Response(json.dumps(content), status_code=status, media_type=_JSON)

    @router.post(
        "/api/usage",
        summary="Logs one call or a list of them",
        response_model=models.UsageAnswer,
        responses=models.REFUSED_BODIES
        | {
            207: {
                "model": models.UsageAnswer,
                "description": "Some were rejected, the others stored",
            },
            400: {"model": models.UsageRefused, "description": "No record could be stored"},
        },
        openapi_extra={"requestBody": _usage_body()},
    )
    async def usage(request: Request, key: writer) -> Response:
        """Stores every valid record. The results are in the order of the records."""
        return await stored(
            request, key, lambda body: [described_record(each, key.client_id) for each in _records(body)]
        )

    @router.post(
        "/api/litellm",
        summary="Logs what LiteLLM's generic_api callback sends: a list of its logs, lines of them, or one",
        response_model=models.UsageAnswer,
        responses=models.REFUSED_BODIES
        | {
            207: {"model": models.UsageAnswer, "description": "Some were rejected, the others stored"},
            400: {"model": models.UsageRefused, "description": "No log could be stored"},
        },
        openapi_extra={"requestBody": {"required": True, "content": {_JSON: {"schema": _LITELLM_LOGS}}}},
    )
    async def litellm(request: Request, key: writer) -> Response:
        """A failure is an attempt that cost nothing; `response_cost` is kept beside the cost by the lists."""
        return await stored(
            request, key, lambda body: [described_litellm(each, key.client_id) for each in _logs(body)]
        )

    @router.get("/healthz", summary="Whether the server runs", response_model=models.Health)
    async def healthz() -> Response:
        return Response('{"status":"ok"}', media_type=_JSON)

    @router.get(
        "/readyz",
        summary="Whether it can answer",
        response_model=models.Health,
        responses={503: {"model": models.Error, "description": "It cannot"}},
    )
    async def readyz() -> Response:
        if reason := await readiness.ask(None, lambda: service.not_ready() or ""):
            raise HTTPException(503, reason)
        return Response('{"status":"ready"}', media_type=_JSON)

    @router.get("/metrics", summary="For Prometheus", response_class=Response)
    async def prometheus() -> Response:
        state = await alert_states.ask(None, service.alert_state)
        if state is not None:
            metrics.tell_alerts(state)
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return router


def _logs(body: bytes) -> Sequence[Any]:
    lines = body.split(b"\n")
    # Each line an object: JSON that is written over several lines has none that ends so.
    if len(lines) > 1 and all(line.strip()[-1:] == b"}" for line in lines if line.strip()):
        return _records(b"[%b]" % b",".join(line for line in lines if line.strip()))
    return _records(body)


def _records(body: bytes) -> Sequence[Any]:
    try:
        content = bounded_json.loads(body)
    except bounded_json.TooMuch as error:
        raise HTTPException(413, f"the body has too many values: {error}") from None
    except ValueError as error:
        raise HTTPException(400, f"the body is not valid JSON: {error}") from None
    records = content if isinstance(content, list) else [content]
    if len(records) > models.MAX_RECORDS:
        raise HTTPException(413, f"at most {models.MAX_RECORDS:,} records at once, not {len(records):,}")
    return records


def _result_json(result: RecordResult) -> dict[str, str]:
    content: dict[str, str] = {"status": result.status}
    if result.id is not None:
        content["id"] = str(result.id)
    if result.reason is not None:
        content["reason"] = result.reason
    return content


def _usage_body() -> dict[str, Any]:
    record = {"$ref": "#/components/schemas/UsageRecord"}
    schema = {"oneOf": [record, {"type": "array", "items": record, "maxItems": models.MAX_RECORDS}]}
    return {"required": True, "content": {_JSON: {"schema": schema}}}
