"""Dashboard and API in one process.

    streamlit run analytics/server.py

or, with the same result, `uvicorn analytics.server:app`.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.routing import Route

# `streamlit run` puts this file's directory on the path, and the package is found from the one above.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from analytics import news, serving
from analytics.alerts import EveryMinute
from analytics.api import PATHS, Service, create_api
from analytics.config import dashboard_script
from analytics.database import Database
from analytics.migrations import open_ready_database
from analytics.retention import EveryNight

FOLD_EVERY_SECONDS = 10


def _open_database() -> Database:
    # Imported here: what pages share needs Streamlit to be running already.
    from analytics.ui.frame.reads import secrets

    return open_ready_database(secrets())


_service = Service(_open_database)
_api = create_api(_service)


def _secrets() -> Mapping[str, Any] | None:
    from analytics.ui.frame.reads import secrets

    return secrets()


@asynccontextmanager
async def _lifespan(_: st.App) -> AsyncIterator[dict[str, Any] | None]:
    folding = asyncio.create_task(_fold_again_and_again())
    alerts = EveryMinute(lambda: _service.database, _secrets)
    alerts.start()
    nights = EveryNight(lambda: _service.database)
    nights.start()
    serving.API_IS_HERE.set()
    async with serving.prepared():
        yield None
    alerts.stop()
    nights.stop()
    folding.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await folding
    await run_in_threadpool(_service.close)


async def _fold_again_and_again() -> None:
    while True:
        await asyncio.sleep(FOLD_EVERY_SECONDS)
        await run_in_threadpool(_service.fold)


app = st.App(
    dashboard_script(),
    middleware=[
        Middleware(serving.Walls, writable=tuple(path.partition("{")[0] for path in PATHS)),
        Middleware(serving.Ours, routes=[news.ROUTE, *(Route(path, endpoint=_api) for path in PATHS)]),
    ],
    lifespan=_lifespan,
)
