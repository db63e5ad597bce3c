"""How to log a client's first call: what all pages say until there is one."""

import json
import logging
import re
from datetime import datetime
from typing import NoReturn
from urllib.parse import urlsplit
from uuid import UUID

import streamlit as st

from analytics import config
from analytics.clients import Client, has_calls
from analytics.database import Database
from analytics.errors import DatabaseError
from analytics.ui.frame import address as address_parts
from analytics.ui.frame import reads
from analytics.ui.frame.messages import escaped, look_again

PHONE = "5511999999999"
_LOCAL = "http://localhost:8501"
_NETLOC = re.compile(r"[\w.:\[\]-]+", re.ASCII)

log = logging.getLogger(__name__)


def snippets(client: Client, now: datetime, address: str) -> dict[str, str]:
    """Shell commands by way of logging: each logs one call at `now`. `address` is the API's."""
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    key = f'export USAGE_KEY="$(python -m analytics keys create --client {client.id} --scope write)"\n'
    record = {
        "source": "openai",
        "model": "gpt-4",
        "phone": PHONE,
        "usage": {"prompt_tokens": 150, "completion_tokens": 80},
    }
    return {
        "Python": (
            "python - <<'END'\n"
            "from analytics import flush, log_openai_usage\n\n"
            'usage = {"prompt_tokens": 150, "completion_tokens": 80}  # or that of a response\n'
            f'log_openai_usage("{client.id}", "first conversation", "{PHONE}", "gpt-4", usage)\n'
            "flush()\n"
            "END"
        ),
        "curl": (
            f'{key}curl -s {address}/api/usage -H "Authorization: Bearer $USAGE_KEY" \\\n'
            f"    -H 'Content-Type: application/json' -d '{json.dumps(record)}'"
        ),
        "OpenTelemetry": (
            f'{key}curl -s {address}/v1/traces -H "Authorization: Bearer $USAGE_KEY" \\\n'
            f"    -H 'Content-Type: application/json' -d '{json.dumps(_spans(now))}'"
        ),
        "Import": (
            "cat > calls.csv <<'END'\n"
            "created_at,source,model,phone,prompt_tokens,completion_tokens\n"
            f"{moment},openai,gpt-4,{PHONE},150,80\n"
            "END\n"
            f"python -m analytics import calls.csv --client {client.id}"
        ),
    }


def await_first_call(database: Database, client: Client, now: datetime) -> None:
    """Ends the page with how to log a call while the client has none; it goes on by itself."""
    if client.first_day is None and not _has_calls(database, client):
        _show(database, client, now)


def _show(database: Database, client: Client, now: datetime) -> NoReturn:
    st.info(
        f"**No calls yet.** Log the first call of {escaped(client.name)} in one of these ways. This page "
        "then shows it by itself, within seconds.",
        icon=":material/rocket_launch:",
    )
    address = server_address()
    commands = snippets(client, now, address)
    where = "Run it in a shell in the dashboard's directory, with its `DATABASE_URL` and its `python`."
    served = (
        f"{where} The API answers at {escaped(address)} if the server was started with "
        "`streamlit run analytics/server.py` instead of `streamlit_app.py`. "
        "The key can only write, and only for this client."
    )
    for tab, text in zip(st.tabs(list(commands)), commands.values(), strict=True):
        with tab:
            st.code(text, language="bash", wrap_lines=True)
            st.caption(served if "USAGE_KEY" in text else where)
    st.page_link(
        "pages/connect.py",
        label="Connect Claude Code, an SDK or another tool",
        icon=":material/cable:",
        query_params=address_parts.shared(),
    )
    st.caption(f"The id of this client is `{client.id}`.")
    look_again(lambda: _has_calls(database, client))
    st.stop()


def _has_calls(database: Database, client: Client) -> bool:
    with_calls = _clients_with_calls()
    try:
        if client.id in with_calls or has_calls(database, client.id):
            with_calls.add(client.id)
            return True
    except DatabaseError as error:
        # The page says so itself, or shows its last good numbers.
        log.warning("cannot tell whether %s has calls: %s", client.id, error)
        return True
    return False


@st.cache_resource
def _clients_with_calls() -> set[UUID]:
    """Clients with calls: asked only once, as a first call stays."""
    return set()


def server_address() -> str:
    """This server's address: as it is configured for links in messages, or else as the browser knows it."""
    if configured := config.dashboard_url(reads.secrets()):
        return configured
    parts = urlsplit(st.context.url or "")
    # It goes into lines for a shell.
    return f"{parts.scheme}://{parts.netloc}" if _NETLOC.fullmatch(parts.netloc) else _LOCAL


def _spans(now: datetime) -> dict[str, object]:
    end = int(now.timestamp()) * 1_000_000_000
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4",
        "gen_ai.usage.input_tokens": 150,
        "gen_ai.usage.output_tokens": 80,
    }
    span = {
        "traceId": f"{end:032x}",
        "spanId": f"{end:016x}"[-16:],
        "name": "chat gpt-4",
        "kind": 3,
        "startTimeUnixNano": str(end - 1_000_000_000),
        "endTimeUnixNano": str(end),
        "attributes": [
            {
                "key": key,
                "value": {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)},
            }
            for key, value in attributes.items()
        ],
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
