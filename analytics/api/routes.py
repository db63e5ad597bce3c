"""The routes: what each takes and answers. What they do is the service's."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, HTTPException, Request, Response

from analytics import bounded_json
from analytics.access.keys import Key
from analytics.api import models, spans
from analytics.api.auth import Guard
from analytics.api.bodies import Bodies
from analytics.api.cache import Remembered
from analytics.api.calls import DescribedSpans, described_record
from analytics.api.exports import make_export_router
from analytics.api.metrics import CONTENT_TYPE, Metrics
from analytics.api.parameters import described, parameters
from analytics.api.service import Loaded, Outcome, Service
from analytics.api.work import Work

ANSWER_SECONDS = 60
MAX_BYTES_OF_ANSWERS = 32_000_000
_JSON = "application/json"

_REFUSED_BODIES: dict[int | str, dict[str, Any]] = models.REFUSALS | {
    413: {"model": models.Error, "description": "The body is too large"},
    415: {"model": models.Error, "description": "The body is of another kind"},
}


def make_router(service: Service, guard: Guard, work: Work, metrics: Metrics) -> APIRouter:
    """All routes, over one service."""
    router = APIRouter()
    bodies = Bodies()
    answers: Remembered[Loaded] = Remembered(
        seconds=ANSWER_SECONDS,
        most=MAX_BYTES_OF_ANSWERS,
        threads=work.database_threads,
        size=lambda loaded: len(loaded.body),
    )
    # Anybody may ask, as often as they like: one at a time asks the database, for all who ask meanwhile.
    readiness: Remembered[str] = Remembered(seconds=0, most=1, threads=anyio.CapacityLimiter(1))
    described_spans = DescribedSpans()
    reader = Annotated[Key, Depends(guard.key("read"))]
    writer = Annotated[Key, Depends(guard.key("write"))]

    @router.get(
        "/api/analytics",
        summary="The numbers of the key's client",
        response_model=models.AnalyticsAnswer,
        responses=models.REFUSALS | {304: {"description": "The numbers are those of If-None-Match"}},
        openapi_extra={"parameters": described(models.AnalyticsQuery)},
    )
    async def analytics(request: Request, key: reader) -> Response:
        """At most a minute old; `Age` says how old. Empty is zero or `[]`; null is what is unknown."""
        asked = parameters(request, models.AnalyticsQuery).asked()
        wanted = key.client_id, asked
        loaded = answers.get(wanted)
        metrics.answers.labels("database" if loaded is None else "cache").inc()
        if loaded is None:
            ask = work.timed(key.id, lambda: service.answer(key.client_id, asked))
            async with work.place(key.id):
                # Others may have asked the same meanwhile.
                loaded = answers.get(wanted) or await answers.ask(wanted, ask)
        age = max(0, int((datetime.now(UTC) - loaded.loaded_at).total_seconds()))
        headers = {
            "Cache-Control": f"private, max-age={ANSWER_SECONDS}",
            "Age": str(age),
            "ETag": loaded.etag,
            "Vary": "Authorization",
        }
        if loaded.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(loaded.body, media_type=_JSON, headers=headers)

    router.include_router(make_export_router(service, guard, work))

    @router.post(
        "/api/usage",
        summary="Logs one call or a list of them",
        response_model=models.UsageAnswer,
        responses=_REFUSED_BODIES
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
        """Stores all good records, whatever the others are; what came of each is in their order."""
        _content_type(request, _JSON)
        async with work.place(key.id), bodies.received(request) as body:
            calls = await work.read_body(
                key.id, lambda: [described_record(each, key.client_id) for each in _records(body.unpacked())]
            )
            outcomes = await work.ask_database(key.id, lambda: service.store(key.client_id, calls))
        _count(metrics, outcomes)
        rejected = [outcome for outcome in outcomes if outcome.status == "rejected"]
        content: dict[str, Any] = {"results": [_outcome(outcome) for outcome in outcomes]}
        status = 207 if rejected else 200
        if outcomes and len(rejected) == len(outcomes):
            status, content["error"] = 400, f"no record was stored: {rejected[0].reason}"
        return Response(json.dumps(content), status_code=status, media_type=_JSON)

    @router.post(
        "/v1/traces",
        summary="Logs the calls among OpenTelemetry spans (OTLP over HTTP)",
        response_class=Response,
        responses=_REFUSED_BODIES
        | {200: {"description": "How many calls were rejected", "content": {_JSON: {}, spans.PROTOBUF: {}}}},
        openapi_extra={
            "requestBody": {"content": {spans.PROTOBUF: {}, _JSON: {"schema": {"type": "object"}}}}
        },
    )
    async def traces(request: Request, key: writer) -> Response:
        """Spans of the GenAI conventions and of OpenInference; all others are passed over."""
        content_type = _content_type(request, *spans.CONTENT_TYPES)
        async with work.place(key.id), bodies.received(request) as body:
            calls = await work.read_body(
                key.id,
                lambda: list(
                    described_spans.of(spans.read_spans(body.unpacked(), content_type), key.client_id)
                ),
            )
            outcomes = await work.ask_database(key.id, lambda: service.store(key.client_id, calls))
        _count(metrics, outcomes)
        rejected = [outcome.reason for outcome in outcomes if outcome.status == "rejected"]
        reason = rejected[0] if rejected else None
        return Response(spans.export_answer(content_type, len(rejected), reason), media_type=content_type)

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
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return router


def _content_type(request: Request, *allowed: str) -> str:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in allowed:
        raise HTTPException(415, f'content-type must be {" or ".join(allowed)}, not "{content_type[:80]}"')
    return content_type


def _records(body: bytes) -> Sequence[Any]:
    try:
        content = bounded_json.loads(body)
    except bounded_json.TooMuch as error:
        raise HTTPException(413, f"the body is too much at once: {error}") from None
    except ValueError as error:
        raise HTTPException(400, f"the body is no JSON that can be read: {error}") from None
    records = content if isinstance(content, list) else [content]
    if len(records) > models.MAX_RECORDS:
        raise HTTPException(413, f"at most {models.MAX_RECORDS:,} records at once, not {len(records):,}")
    return records


def _outcome(outcome: Outcome) -> dict[str, str]:
    content: dict[str, str] = {"status": outcome.status}
    if outcome.id is not None:
        content["id"] = str(outcome.id)
    if outcome.reason is not None:
        content["reason"] = outcome.reason
    return content


def _count(metrics: Metrics, outcomes: Sequence[Outcome]) -> None:
    for status, number in Counter(outcome.status for outcome in outcomes).items():
        metrics.calls.labels(status).inc(number)


def _usage_body() -> dict[str, Any]:
    record = {"$ref": "#/components/schemas/UsageRecord"}
    schema = {"oneOf": [record, {"type": "array", "items": record, "maxItems": models.MAX_RECORDS}]}
    return {"required": True, "content": {_JSON: {"schema": schema}}}
