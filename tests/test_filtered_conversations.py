"""The first conversations under filters: which are read, and that none is missed."""

from typing import Any
from uuid import UUID

import psycopg
import pytest

from analytics.database import Database
from tests.factories import NOW
from tests.test_rollups import BUSY_WEEKS_HAVE

# Five large conversations have next to nothing of model "z", which a hundred middling ones use; many are
# small. Some calls name only the phone, of a conversation or of none, and some neither.
CALLS = """
    insert into conversations (client_id, id, phone, name)
    select
        %(client)s, md5(number::text)::uuid, case when number %% 2 = 0 then '55' || number end, 'C' || number
    from generate_series(1, 900) as number;

    insert into usage_logs (
        client_id, conversation_id, phone, source, model, prompt_tokens, completion_tokens, total_tokens,
        cost_usd, cost_basis, created_at, outcome
    )
    select
        %(client)s,
        case when %(all_are_named)s or random() < 0.7 or number %% 2 = 1 then md5(number::text)::uuid end,
        case when number < 1100 then '55' || number end,
        (array['openai', 'groq', 'x'])[1 + number %% 3],
        case
            when random() < case when number <= 5 then 0.01 when number <= 105 then 0.95 else 0 end then 'z'
            else (array['a', 'b', 'c'])[1 + floor(random() * 3)::integer]
        end,
        tokens, 0, tokens, tokens * 0.01 + tokens %% 7, 'priced',
        %(now)s - random() * interval '12 days',
        case when random() < 0.03 then 'error' else 'ok' end
    from generate_series(1, 1200) as number
    cross join lateral generate_series(
        1, case when number <= 5 then 200 when number <= 105 then 4 else 1 end
    ) as call
    cross join lateral (select 1 + floor(random() * 40)::integer * 10 + call * 0 as tokens) as used;
"""
EXPECTED = """
    select
        coalesce(log.conversation_id, known.id) as id,
        case when coalesce(log.conversation_id, known.id) is null then log.phone
            else (select phone from conversations as other
                where other.client_id = log.client_id and other.id = coalesce(log.conversation_id, known.id))
        end as phone,
        sum(total_tokens), sum(cost_usd), count(*),
        coalesce(sum(total_tokens) filter (where source = 'openai'), 0)
    from usage_logs as log
    left join conversations as known
        on log.conversation_id is null and known.client_id = log.client_id and known.phone = log.phone
    where
        log.client_id = %(client)s and log.created_at >= %(now)s::timestamptz::date - %(days)s + 1
        and case %(name)s when 'model' then model else outcome end = %(value)s
    group by 1, 2
"""
FOUND = """
    select conversation_id, phone, total_tokens, total_cost, request_count, openai_tokens
    from get_usage_by_conversation(
        %(client)s, %(days)s, %(limit)s, %(now)s, %(order)s,
        jsonb_build_array(jsonb_build_object(
            'name', %(name)s::text, 'values', array[%(value)s::text], 'excluded', false
        ))
    )
"""


@pytest.mark.parametrize("seed", [0.1, 0.2, 0.3])
def test_none_is_missed(database: Database, acme: UUID, seed: float) -> None:
    asked: dict[str, Any] = {"client": acme, "now": NOW, "all_are_named": False}
    with database.transaction() as connection:
        cursor = psycopg.ClientCursor(connection)
        cursor.execute("select setseed(%s)", [seed])
        cursor.execute(CALLS, asked)
        if seed != 0.2:
            cursor.execute("select fold_usage()")
        none_is_missed(cursor, asked)


CHANGES = (
    "select fold_usage()",
    # Some weeks become busy, some of which nothing was folded; some were, and have fewer calls now.
    """
    insert into usage_logs (
        client_id, conversation_id, source, model, total_tokens, cost_usd, created_at, outcome
    )
    select client_id, conversation_id, source, 'z', total_tokens + 1, cost_usd, created_at, outcome
    from usage_logs
    where get_byte(uuid_send(conversation_id), 3) < 60;

    insert into usage_logs (client_id, conversation_id, source, model, total_tokens, cost_usd, created_at)
    select %(client)s, md5('new')::uuid, 'groq', 'z', 300, 3, %(now)s - call * interval '1 hour'
    from generate_series(1, 30) as call;
    """,
    "delete from usage_logs where model = 'b'",
    "select fold_usage()",
    """
    update usage_logs
    set model = 'z', cost_usd = 0, cost_basis = 'unpriced'
    where model = 'a' and total_tokens < 99
    """,
)


@pytest.mark.parametrize("busy", [1, 5, 30])
def test_none_is_missed_where_weeks_are_kept_by_kind(database: Database, acme: UUID, busy: int) -> None:
    """All calls name their conversation; nothing, a part, and all is folded."""
    asked: dict[str, Any] = {"client": acme, "now": NOW, "all_are_named": True}
    with database.transaction() as connection:
        cursor = psycopg.ClientCursor(connection)
        cursor.execute(BUSY_WEEKS_HAVE.format(busy))
        cursor.execute(
            "create or replace function calls_like_a_conversation() returns integer language sql return 1"
        )
        cursor.execute("select setseed(0.4)")
        cursor.execute(CALLS, asked)
        for place, change in enumerate(CHANGES):
            cursor.execute(change, asked)
            if place == busy % 3:
                # Of some it is not known what they have by kind.
                cursor.execute(
                    "update usage_conversation_rollup set kind_amounts = null where total_tokens % 3 = 0"
                )
            none_is_missed(cursor, asked)
        found = cursor.execute(
            """
            select first_ones.*
            from (select %(now)s::date - 11 as first_date, %(now)s::date as last_date) as days
            cross join lateral leading_conversations_of_kinds(
                %(client)s,
                usage_filter_of(
                    %(client)s, '[{"name": "model", "values": ["z"], "excluded": false}]',
                    first_date, last_date
                ),
                first_date, last_date, 10, false
            ) as first_ones
            """,
            asked,
        ).fetchall()
        assert len(found) >= 10


def none_is_missed(cursor: "psycopg.ClientCursor[Any]", asked: dict[str, Any]) -> None:
    """Compares the first ones under some filters, in some periods, with the calls."""
    for name, value in (("model", "a"), ("model", "z"), ("outcome", "error")):
        for days in (3, 12):
            for order in ("tokens", "cost"):
                asked |= {"name": name, "value": value, "days": days, "order": order}
                amount = 2 if order == "tokens" else 3
                every = cursor.execute(EXPECTED, asked).fetchall()
                every.sort(key=lambda row: (row[amount], row[2], row[3]), reverse=True)
                for limit in (1, 3, 10):
                    found = cursor.execute(FOUND, asked | {"limit": limit}).fetchall()
                    assert len(found) == min(limit, len(every))
                    amounts = [row[2:4] for row in every[:limit]]
                    assert [row[2:4] for row in found] == amounts
                    assert set(found) <= set(every)
