"""The numbers and the tracker over HTTP. Part of the dashboard's process, or alone:

uvicorn --factory analytics.api:create_api

Errors are {"error": "..."}. /api/docs describes each route.
"""

import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from analytics import config, serving
from analytics.api import models
from analytics.api.auth import Guard
from analytics.api.compression import Compression
from analytics.api.exports import CutShort
from analytics.api.metrics import Metrics
from analytics.api.routes import make_router
from analytics.api.service import DatabaseAway, Service
from analytics.api.work import Work
from analytics.errors import AnalyticsError, InvalidInput

__all__ = ["PATHS", "Service", "create_api"]

PATHS = (
    *("/api/{rest:path}", "/v1/traces", "/v1/metrics", "/v1/logs"),
    *("/healthz", "/readyz", "/metrics"),
)
"""The paths of the API, for the server that mounts it."""

_RETRY_SECONDS = 10

log = logging.getLogger(__name__)


def create_api(service: Service | None = None, *, requests_per_minute: int | None = None) -> FastAPI:
    """The API over the configured database, or over `service`.

    `requests_per_minute` is the limit of a key; USAGE_API_REQUESTS_PER_MINUTE if left out.

    Raises:
        ConfigurationError: the setting cannot be used.
    """
    service = service or Service()
    metrics = Metrics()
    guard = Guard(service, requests_per_minute or config.api_requests_per_minute())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with serving.prepared():
            yield
        service.close()

    api = FastAPI(
        title="Usage and cost analytics",
        version="1",
        docs_url="/api/docs",
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        openapi_url="/api/openapi.json",
        # A redirection would send the key to wherever the request's Host says.
        redirect_slashes=False,
        lifespan=lifespan,
    )
    api.state.service = service
    api.include_router(make_router(service, guard, Work(), metrics))
    api.add_middleware(MetricsMiddleware, metrics=metrics)
    api.add_middleware(Compression)
    api.add_exception_handler(HTTPException, _refused)
    api.add_exception_handler(InvalidInput, _bad_input)
    api.add_exception_handler(DatabaseAway, _away)
    api.add_exception_handler(AnalyticsError, _unavailable)
    api.add_exception_handler(Exception, _failed)
    api.openapi = lambda: _document(api)  # type: ignore[method-assign]
    return api


class MetricsMiddleware:
    """Counts and times every request, by route: paths would be endless."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # In the dashboard's process there is a route to the API as a whole already.
        scope = {**scope, "route": None}
        status: int | str = 500
        start = time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except CutShort as error:
            # To return without an end is how a server is told to cut the connection.
            status = "cut"
            log.warning("%s", error)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
            self._metrics.requests.labels(route, method, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - start)


def _error(status: int, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    return JSONResponse({"error": message, **more}, status, headers)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code == 404:
        message = f"no route {request.url.path[:100]}: see /api/docs"
    elif error.status_code == 405:
        message = f"method {request.method} is not allowed for {request.url.path[:100]}: see /api/docs"
    return _error(error.status_code, message, error.headers)


async def _bad_input(request: Request, error: Exception) -> JSONResponse:
    return _error(400, str(error))


async def _away(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DatabaseAway)
    log.warning("no answer: %s", error)
    return _gone(error.last_good_at)


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    log.warning("no answer: %s", error)
    # The key could not be looked up, or calls could not be stored.
    return _gone(request.app.state.service.last_good_at())


def _gone(last_good_at: datetime | None) -> JSONResponse:
    # The address of the database and its message are for the log only.
    return _error(
        503,
        f"the database does not answer: try again in {_RETRY_SECONDS} seconds",
        {"Retry-After": str(_RETRY_SECONDS)},
        last_good_at=None if last_good_at is None else last_good_at.isoformat(timespec="seconds"),
    )


async def _failed(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _error(500, "internal error; details are in the server log")


def _document(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with UsageRecord: the route checks the body of POST /api/usage itself."""
    if api.openapi_schema is None:
        document = get_openapi(title=api.title, version=api.version, description=__doc__, routes=api.routes)
        schemas = document["components"]["schemas"]
        schemas["UsageRecord"] = models.UsageRecord.model_json_schema()
        # FastAPI declares its own error for what can be invalid; ours is 400.
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        api.openapi_schema = document
    return api.openapi_schema
