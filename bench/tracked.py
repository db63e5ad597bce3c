"""Calls to log, and the tracker that brings them to a benchmark's database."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from uuid import UUID

import psycopg
from openai.types.chat import ChatCompletion

from analytics import config, tracking
from analytics.database import Database
from analytics.tracking.spool import Spool

CALLS_PER_BLOCK = 1_000
CALLS_PER_CONVERSATION = 10
FLUSH_SECONDS = 60.0
MODEL = "gpt-4o-mini"


@dataclass(frozen=True, kw_only=True)
class Call:
    response: ChatCompletion
    conversation: str
    phone: str


@contextmanager
def tracking_to(database: Database, directory: Path) -> Iterator[Spool]:
    """Has log_*() bring calls to the database, through this spool."""
    tracking.configure(
        database_url=database.url.set(drivername="postgresql").render_as_string(hide_password=False),
        directory=directory,
        spool_max_calls=config.SPOOL_MAX_CALLS,
        synchronous=False,
        strict=True,
    )
    try:
        path = tracking.stats().spool_path
        assert path is not None
        with closing(Spool(path, max_calls=config.SPOOL_MAX_CALLS)) as spool:
            yield spool
    finally:
        tracking.close()


def make_calls(name: str) -> Iterator[Call]:
    """Calls without end, of conversations that are new by the name."""
    chance = Random(name)
    responses = [_response(chance) for _ in range(CALLS_PER_BLOCK)]
    for number in count():
        conversation = number // CALLS_PER_CONVERSATION
        yield Call(
            response=responses[number % len(responses)],
            conversation=f"{name} {conversation}",
            phone=f"55119{conversation:08}",
        )


def _response(chance: Random) -> ChatCompletion:
    """As OpenAI's package makes it of an answer."""
    prompt, completion = chance.randrange(50, 4000), chance.randrange(10, 900)
    return ChatCompletion.construct(
        id="chatcmpl-bench",
        created=1_790_000_000,
        object="chat.completion",
        model=f"{MODEL}-2024-07-18",
        choices=[],
        usage={
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            # OpenAI caches prompts from 1,024 tokens on, by 128.
            "prompt_tokens_details": {"cached_tokens": prompt // 1024 * 1024, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
    )


def log_call(client_id: UUID, call: Call) -> None:
    tracking.log_openai_usage(
        client_id, call.conversation, call.phone, call.response.model, call.response.usage
    )


def flush() -> None:
    if not tracking.flush(FLUSH_SECONDS):
        raise RuntimeError(f"calls are not shipped: {tracking.stats().last_error}")


def create_client(connection: psycopg.Connection, client_id: UUID) -> None:
    connection.execute("insert into clients (id, name) values (%s, %s)", [client_id, f"Client {client_id}"])


def count_rows(connection: psycopg.Connection, client_id: UUID) -> int:
    row = connection.execute("select count(*) from usage_logs where client_id = %s", [client_id]).fetchone()
    assert row is not None
    return int(row[0])


def require_all(name: str, arrived: int, *, of: int) -> None:
    if arrived != of:
        raise RuntimeError(f"{name}: {arrived:,} of {of:,} calls arrived, so their times mean nothing")
