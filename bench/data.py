"""Made-up usage with a realistic shape: how many clients, how long conversations live, how big they get.

Assumptions, all of them here:

- 50 clients over 180 days. The largest makes 40 percent of all calls in 40 percent of the 200,000
  conversations and lives in Sao Paulo's time; the other 49 share the rest evenly, in UTC.
- Lives: 70 percent of conversations live an hour to four days, 30 percent a week to half a year (both
  log-uniform). They begin evenly, also before the first day, so that no day is special.
- Sizes: a conversation's calls per day of life are Pareto distributed (alpha 1.5, cut off at 1,000 times the
  smallest); a longer life so also means more calls. Calls lie evenly within the life.
- `spread` is the worst case for counting top conversations: every conversation lives all 180 days, so that
  none lies within the period and none can be left out for its dates.
- Every call has an operation, an outcome, a latency and one of 50 sets of tags of its client, and names its
  conversation and its phone. Two thirds go to OpenAI, a quarter to Groq, the rest to
  Whisper; tokens are skewed, costs have ten decimals, one call in a hundred is unpriced.

Calls are inserted day by day, in order of time, as a live table receives them, through the same trigger and
the same folds. The seed is fixed: two runs make the same calls.
"""

from datetime import UTC, datetime
from uuid import UUID

import psycopg

NOW = datetime(2025, 6, 30, 18, 0, tzinfo=UTC)
DAYS = 180
CLIENTS = 50
CONVERSATIONS = 200_000
LARGEST_SHARE = 0.4

LARGEST_CLIENT = UUID("00000000-0000-4000-8000-000000000001")

CLIENTS_AND_CONVERSATIONS = """
insert into clients (id, name, timezone)
select
    ('00000000-0000-4000-8000-' || lpad(number::text, 12, '0'))::uuid,
    'Client ' || number,
    case when number = 1 then 'America/Sao_Paulo' else 'UTC' end
from generate_series(1, %(clients)s) as number;

-- One row per conversation: when it lives, in days since the first one, and its calls per day of life.
create unlogged table bench_conversations as
with drawn as materialized (
    select
        number,
        case
            when number <= %(conversations)s * %(largest_share)s then 1
            else 2 + number %% (%(clients)s - 1)
        end as client_number,
        random() < 0.7 as is_short,
        random() as life_draw,
        random() as start_draw,
        least(power(1 - random(), -1 / 1.5), 1000) as pace
    from generate_series(1, %(conversations)s) as number
),

living as (
    select
        *,
        case
            when %(spread)s then %(days)s
            when is_short then 0.04 * power(100, life_draw)
            else 7 * power(180 / 7.0, life_draw)
        end as life
    from drawn
),

placed as (
    select
        *,
        case when %(spread)s then 0 else start_draw * (%(days)s + life) - life end as starts
    from living
)

select
    number,
    client_number,
    ('00000000-0000-4000-8000-' || lpad(client_number::text, 12, '0'))::uuid as client_id,
    md5('conversation ' || number)::uuid as conversation_id,
    '+55' || (11900000000 + number) as phone,
    greatest(starts, 0) as starts,
    least(starts + life, %(days)s) as ends,
    pace
from placed
where %(clients_with_calls)s >= client_number;

-- Both shares, the largest client's and the others', come to the number of calls that was asked for.
alter table bench_conversations add column calls_per_day double precision;
update bench_conversations as conversation
set calls_per_day = pace * share.calls / share.weight
from (
    select
        client_number = 1 as is_largest,
        sum(pace * (ends - starts)) as weight,
        case when client_number = 1 then %(largest_share)s else 1 - %(largest_share)s end * %(rows)s as calls
    from bench_conversations
    group by 1, 3
) as share
where share.is_largest = (conversation.client_number = 1);

insert into tag_sets (client_id, id, tags)
select clients.id, set_id, jsonb_build_object('feature', 'feature ' || set_id)
from clients, generate_series(1, 50) as set_id;

insert into conversations (client_id, id, phone, name)
select client_id, conversation_id, phone, 'Customer ' || number from bench_conversations;

analyze clients, conversations, bench_conversations;
"""

CALLS_OF_A_DAY = """
insert into usage_logs (
    client_id, id, conversation_id, phone, source, model, prompt_tokens, completion_tokens, total_tokens,
    cost_usd, cost_basis, created_at, operation, outcome, cached_tokens, reasoning_tokens, latency_ms,
    tag_set_id
)
with calls as (
    select
        client_id, conversation_id, phone,
        greatest(starts, %(day)s) + random() * (least(ends, %(day)s + 1) - greatest(starts, %(day)s)) as at,
        1 + floor(random() * 12)::integer as pick,
        (50 + 4000 * power(random(), 3))::bigint as prompt_tokens,
        (10 + 900 * power(random(), 2))::bigint as completion_tokens,
        random() < 0.01 as is_unpriced,
        random() as fate
    from
        bench_conversations,
        generate_series(
            1,
            floor(calls_per_day * (least(ends, %(day)s + 1) - greatest(starts, %(day)s)) + random())::integer
        )
    where starts < %(day)s + 1 and ends > %(day)s
),

timed as (
    select *, %(now)s::timestamptz - interval '1 day' * (%(days)s - at) as created_at
    from calls
    order by at
)

select
    client_id,
    uuidv7(created_at - clock_timestamp()),
    conversation_id,
    phone,
    (array['openai', 'openai', 'openai', 'openai', 'openai', 'openai', 'openai', 'openai', 'groq', 'groq',
        'groq', 'whisper'])[pick],
    (array['gpt-4o-mini', 'gpt-4o-mini', 'gpt-4o-mini', 'gpt-4o-mini', 'gpt-4o', 'gpt-4o', 'gpt-4o', 'gpt-4',
        'llama-3.1-8b', 'llama-3.1-8b', 'llama-3.3-70b', 'whisper-1'])[pick],
    prompt_tokens,
    completion_tokens,
    prompt_tokens + completion_tokens,
    case
        when is_unpriced then 0
        else round(prompt_tokens * 0.0000001523 + completion_tokens * 0.0000006017, 10)
    end,
    case when is_unpriced then 'unpriced' else 'priced' end,
    created_at,
    case when pick = 12 then 'transcription' else 'chat' end,
    case when fate < 0.02 then 'error' when fate < 0.03 then 'cut' else 'ok' end,
    prompt_tokens / 3,
    case when pick < 9 then completion_tokens / 2 end,
    (200 * power(100, fate))::integer,
    1 + floor(random() * 50)::integer
from timed
"""


def load(
    connection: psycopg.Connection,
    rows: int,
    *,
    spread: bool = False,
    largest_only: bool = False,
    now: datetime = NOW,
) -> None:
    """Fills a migrated, empty database with `rows` calls (give or take a few) until now, and folds them."""
    connection.execute("select setseed(0.42)")
    values = {
        "clients": CLIENTS,
        "conversations": CONVERSATIONS,
        "largest_share": LARGEST_SHARE,
        "days": DAYS,
        "rows": rows,
        "spread": spread,
        "clients_with_calls": 1 if largest_only else CLIENTS,
    }
    psycopg.ClientCursor(connection).execute(CLIENTS_AND_CONVERSATIONS, values)
    for day in range(DAYS):
        connection.execute(CALLS_OF_A_DAY, {"day": day, "days": DAYS, "now": now})
        connection.execute("select fold_usage()")
        if day % 10 == 9:
            # Autovacuum has a minute between two looks; here ten days have passed in less.
            connection.execute(
                "vacuum usage_pending, usage_daily_rollup, usage_conversation_daily_rollup,"
                " usage_conversation_rollup, usage_conversation_weekly_rollup,"
                " usage_conversation_kind_rollup"
            )
    connection.execute("drop table bench_conversations")


SMALL_CLIENTS = """
with made as (
    insert into clients (name)
    select 'Small client ' || number from generate_series(%(clients)s + 1, 500) as number
    returning id
)

insert into usage_logs (client_id, source, model, prompt_tokens, completion_tokens, cost_usd, created_at)
select id, 'openai', 'gpt-4o', 100, 50, 0.001, %(now)s::timestamptz - interval '1 day' * day
from made, generate_series(0, 59) as day
"""


def add_small_clients(connection: psycopg.Connection) -> None:
    """Up to 500 clients, with a call a day for 60 days; folded."""
    connection.execute(SMALL_CLIENTS, {"clients": CLIENTS, "now": NOW})
    connection.execute("select fold_usage()")
    connection.execute("vacuum analyze")


PENDING_CALLS = """
insert into usage_logs (
    client_id, id, conversation_id, phone, source, model, prompt_tokens, completion_tokens, total_tokens,
    cost_usd, cost_basis, created_at, operation, outcome, cached_tokens, reasoning_tokens, latency_ms,
    tag_set_id
)
select
    client_id, uuidv7(), conversation_id, phone, source, model,
    prompt_tokens, completion_tokens, total_tokens, cost_usd, cost_basis,
    %(now)s::timestamptz - interval '1 hour' * random(), operation, outcome, cached_tokens,
    reasoning_tokens, latency_ms, tag_set_id
from usage_logs
where client_id = %(client_id)s and created_at < %(now)s::timestamptz - interval '2 hours'
order by created_at desc
offset %(offset)s
limit %(batch)s
"""


def add_pending(connection: psycopg.Connection, pending_rows: int, batch: int = 100) -> None:
    """Repeats the largest client's latest calls, in batches as a tracker ships them, and does not fold.

    Raises:
        AssertionError: usage_pending does not hold about `pending_rows` rows.
    """
    values = {"now": NOW, "client_id": LARGEST_CLIENT, "batch": batch}
    for offset in range(0, pending_rows, batch):
        connection.execute(PENDING_CALLS, {**values, "offset": offset})
    row = connection.execute("select count(*) from usage_pending").fetchone()
    assert row is not None
    assert 0.9 * pending_rows <= row[0] <= 1.1 * pending_rows, row
