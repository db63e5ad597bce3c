"""The routes of telemetry: OTLP's three signals, and what Langfuse's SDKs send."""

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from analytics.access.keys import Key
from analytics.api import models, otlp
from analytics.api.auth import Guard
from analytics.api.bodies import Bodies, content_type
from analytics.api.calls import Described, described_logs, described_spans, metrics_message
from analytics.api.langfuse import ingestion_answer, read_events
from analytics.api.logs import logs_answer, metrics_answer, read_logs, read_metrics
from analytics.api.metrics import Metrics
from analytics.api.service import Service
from analytics.api.spans import export_answer, read_spans
from analytics.api.work import Work
from analytics.tracking.langfuse import Generations
from analytics.tracking.spans import PassedOver
from analytics.tracking.traces import Traces

_LANGFUSE_VERSION = "3.0.0"
"""The oldest that the SDKs of today speak to."""

_Calls = tuple[list[Described], Counter[PassedOver]]


def make_telemetry_router(
    service: Service, guard: Guard, work: Work, metrics: Metrics, bodies: Bodies
) -> APIRouter:
    """All routes that take what others' instrumentation sends."""
    router = APIRouter()
    writer = Annotated[Key, Depends(guard.key("write"))]
    traces_of_langfuse = Traces()

    async def stored(
        request: Request,
        key: Key,
        describe: Callable[[bytes, str], _Calls],
        answer: Callable[..., bytes],
    ) -> Response:
        kind = content_type(request, *otlp.CONTENT_TYPES)
        async with work.place(key.id), bodies.received(request) as body:
            calls, passed_over = await work.read_body(key.id, lambda: describe(body.unpacked(), kind))
            results = await work.ask_database(key.id, lambda: service.store(key.client_id, calls))
        metrics.count_calls(result.status for result in results)
        metrics.count_passed_over(passed_over)
        rejected = [result.reason for result in results if result.status == "rejected"]
        surprising = {each: number for each, number in passed_over.items() if not each.is_expected}
        reason = rejected[0] if rejected else None
        return Response(answer(kind, len(rejected), reason, surprising), media_type=kind)

    @router.post(
        "/v1/traces",
        summary="Logs the calls among OpenTelemetry spans (OTLP over HTTP)",
        **_otlp("How many calls were rejected"),
    )
    async def traces(request: Request, key: writer) -> Response:
        """Spans with a model and usage of their own, by whatever instruments the application.

        What looks like a call and is none is told in `partial_success`.
        """
        return await stored(
            request,
            key,
            lambda body, kind: described_spans(
                traces_of_langfuse.complete(str(key.client_id), read_spans(body, kind)), key.client_id
            ),
            export_answer,
        )

    @router.post(
        "/v1/logs",
        summary="Logs the calls that coding agents tell in OpenTelemetry logs (OTLP over HTTP)",
        **_otlp("How many calls were rejected"),
    )
    async def logs(request: Request, key: writer) -> Response:
        """Of Claude Code, Codex CLI, Gemini CLI, and the GenAI conventions' event about one call.

        What looks like a call and is none is told in `partial_success`.
        """
        return await stored(
            request, key, lambda body, kind: described_logs(read_logs(body, kind), key.client_id), logs_answer
        )

    @router.post(
        "/v1/metrics",
        summary="Takes OpenTelemetry metrics (OTLP over HTTP), which make no calls",
        **_otlp("Whether the calls that they sum up come"),
    )
    async def metric(request: Request, key: writer) -> Response:
        """Tokens that coding agents' metrics tell are compared with those of their calls: see Data health."""
        kind = content_type(request, *otlp.CONTENT_TYPES)
        async with work.place(key.id), bodies.received(request) as body:
            message = await work.read_body(
                key.id, lambda: metrics_message(read_metrics(body.unpacked(), kind), key.client_id)
            )
        return Response(metrics_answer(kind, message), media_type=kind)

    speaks_langfuse = Annotated[Key, Depends(guard.basic_key("write"))]
    generations = Generations()

    @router.post(
        "/api/public/otel/v1/traces",
        summary="The same as /v1/traces, for Langfuse's SDKs (Python 3 and later, JavaScript 4 and later)",
        **_otlp("How many calls were rejected"),
    )
    async def langfuse_traces(request: Request, key: speaks_langfuse) -> Response:
        """With Basic authentication: any public key, and a key that may write as secret key."""
        return await stored(
            request,
            key,
            lambda body, kind: described_spans(
                traces_of_langfuse.complete(str(key.client_id), read_spans(body, kind)), key.client_id
            ),
            export_answer,
        )

    @router.post(
        "/api/public/ingestion",
        summary="Logs the generations among the events of Langfuse's SDKs",
        response_class=Response,
        status_code=207,
        responses={**models.REFUSED_BODIES, 207: {"description": "What became of each event"}},
        openapi_extra={"requestBody": {"content": {otlp.JSON: {"schema": {"type": "object"}}}}},
    )
    async def langfuse_events(request: Request, key: speaks_langfuse) -> Response:
        """Generations and embeddings become calls; all else is acknowledged, and not kept."""
        content_type(request, otlp.JSON)
        async with work.place(key.id), bodies.received(request) as body:
            events = await work.read_body(
                key.id, lambda: read_events(body.unpacked(), generations, key.client_id)
            )
            results = await work.ask_database(key.id, lambda: service.store(key.client_id, events.calls))
        metrics.count_calls(result.status for result in results)
        metrics.count_passed_over(events.passed_over)
        return Response(ingestion_answer(events, results), status_code=207, media_type=otlp.JSON)

    @router.get("/api/public/health", summary="As Langfuse answers it", response_model=models.LangfuseHealth)
    async def langfuse_health() -> models.LangfuseHealth:
        return models.LangfuseHealth(status="OK", version=_LANGFUSE_VERSION)

    @router.get(
        "/api/public/projects",
        summary="The client of the key, as Langfuse's auth_check() asks for it",
        response_model=models.LangfuseProjects,
        responses=models.REFUSALS,
    )
    async def langfuse_projects(key: speaks_langfuse) -> models.LangfuseProjects:
        async with work.place(key.id):
            client = await work.ask_database(key.id, lambda: service.client(key.client_id))
        owner = models.LangfuseOrganization(id=str(client.id), name=client.name)
        project = models.LangfuseProject(id=str(client.id), name=client.name, organization=owner)
        return models.LangfuseProjects(data=[project])

    return router


def _otlp(description: str) -> dict[str, Any]:
    answer = {"description": description, "content": {otlp.JSON: {}, otlp.PROTOBUF: {}}}
    body = {"content": {otlp.PROTOBUF: {}, otlp.JSON: {"schema": {"type": "object"}}}}
    return {
        "response_class": Response,
        "responses": {**models.REFUSED_BODIES, 200: answer},
        "openapi_extra": {"requestBody": body},
    }
