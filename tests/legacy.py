"""An installation of the guide's original, as it is before our migrations come."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

ACME = UUID(int=1)
OTHER = UUID(int=2)
CONVERSATION = UUID(int=11)
OTHERS_CONVERSATION = UUID(int=12)
OLD = datetime(2025, 12, 31, 23, 30, tzinfo=UTC)

SCHEMA = """
    create table clients (
        id uuid primary key default gen_random_uuid(),
        name text not null,
        slug text unique,
        status text,
        plan text default 'free',
        created_at timestamptz default now()
    );

    create table conversations (
        id uuid primary key default gen_random_uuid(),
        client_id uuid references clients (id) on delete cascade,
        phone text not null,
        name text,
        status text default 'bot',
        last_message text,
        last_update timestamptz,
        created_at timestamptz default now(),
        unique (client_id, phone)
    );

    create table usage_logs (
        id uuid primary key default gen_random_uuid(),
        client_id uuid references clients (id) on delete cascade,
        conversation_id uuid references conversations (id) on delete set null,
        phone text not null,
        source text not null check (source in ('openai', 'groq', 'whisper', 'meta')),
        model text,
        prompt_tokens integer default 0,
        completion_tokens integer default 0,
        total_tokens integer default 0,
        cost_usd numeric(10, 6) default 0,
        messages_sent integer default 0,
        metadata jsonb,
        created_at timestamptz default now()
    );

    create index on usage_logs (client_id, created_at desc, source);
    alter table usage_logs enable row level security;

    insert into clients (id, name) values
        ('00000000-0000-0000-0000-000000000001', 'Acme'), ('00000000-0000-0000-0000-000000000002', 'Other');
    insert into conversations (id, client_id, phone, name) values
        ('00000000-0000-0000-0000-00000000000b', '00000000-0000-0000-0000-000000000001', '551', 'Ada'),
        ('00000000-0000-0000-0000-00000000000c', '00000000-0000-0000-0000-000000000002', '552', 'Bob');
"""

# What the original application sends, before and after.
INSERT = """
    insert into usage_logs (client_id, conversation_id, phone, source, model, prompt_tokens,
        completion_tokens, total_tokens, cost_usd, metadata)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def install(connection: "psycopg.Connection[Any]") -> None:
    connection.execute(SCHEMA)


def fill(connection: "psycopg.Connection[Any]", rows: int) -> None:
    """`rows` ordinary calls over 100 days, some without a client or a conversation."""
    connection.execute(
        """
        insert into usage_logs (
            client_id, conversation_id, phone, source, model,
            prompt_tokens, completion_tokens, total_tokens, cost_usd, created_at
        )
        select
            case when n %% 50 = 0 then null else '00000000-0000-0000-0000-000000000001'::uuid end,
            case when n %% 3 = 0 then '00000000-0000-0000-0000-00000000000b'::uuid end,
            '55' || n %% 2000, (array['openai', 'groq', 'whisper'])[1 + n %% 3], 'model-' || n %% 5,
            n %% 1000, n %% 100, n %% 1000 + n %% 100, (n %% 1000) * 0.000001,
            timestamptz '2026-03-18 12:00 UTC' - n %% 2400 * interval '1 hour'
        from generate_series(1, %s) as n
        """,
        [rows],
    )


def insert(connection: "psycopg.Connection[Any]", **columns: Any) -> UUID:
    """Inserts one call; its id."""
    row = {"id": uuid4(), "phone": "551", "source": "openai", "created_at": OLD, **columns}
    connection.execute(
        sql.SQL("insert into usage_logs ({}) values ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join([sql.Placeholder()] * len(row))
        ),
        list(row.values()),
    )
    log_id: UUID = row["id"]
    return log_id


def row_of(connection: "psycopg.Connection[Any]", log_id: UUID, columns: str) -> tuple[Any, ...] | None:
    return connection.execute(f"select {columns} from usage_logs where id = %s", [log_id]).fetchone()  # noqa: S608
