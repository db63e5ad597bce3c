"""What an application logs, and the rows that come of it."""

import asyncio
import logging
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.rows import dict_row

from analytics import (
    close,
    configure,
    flush,
    log_groq_usage,
    log_openai_usage,
    log_usage,
    log_whisper_usage,
    stats,
    usage_context,
)
from analytics.__main__ import main
from analytics.database import Database
from analytics.errors import InvalidInput
from tests import factories
from tests.connections import dsn
from tests.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("tracker")

GUIDES_USAGE = {"prompt_tokens": 150, "completion_tokens": 80, "total_tokens": 230}
PHONE = "5511999999999"


def rows(database: Database) -> list[dict[str, Any]]:
    """All of usage_logs, in the order of their logging."""
    assert flush()
    return select(database, "select * from usage_logs order by id")


def row(database: Database) -> dict[str, Any]:
    [only] = rows(database)
    return only


def select(database: Database, statement: str) -> list[dict[str, Any]]:
    with psycopg.connect(dsn(database.url), row_factory=dict_row) as connection:
        return connection.execute(statement).fetchall()  # type: ignore[arg-type]


def test_the_guides_call_of_openai(database: Database, acme: UUID) -> None:
    conversation = uuid4()
    before = datetime.now(UTC)

    call_id = log_openai_usage(acme, conversation, PHONE, "gpt-4", GUIDES_USAGE)

    stored = row(database)
    assert before <= stored.pop("created_at") <= datetime.now(UTC)
    assert {name: value for name, value in stored.items() if value is not None} == {
        "client_id": acme,
        "id": call_id,
        "conversation_id": conversation,
        "phone": PHONE,
        "source": "openai",
        "model": "gpt-4",
        "prompt_tokens": 150,
        "completion_tokens": 80,
        "total_tokens": 230,
        "cost_usd": Decimal("0.0093"),
        "cost_basis": "priced",
        "metadata": {"price": {"list": "installation", "model": "gpt-4"}},
    }
    assert call_id is not None
    assert call_id.version == 7


def test_the_guides_call_of_groq(database: Database, acme: UUID) -> None:
    log_groq_usage(
        acme, None, PHONE, "llama-3.1-70b-versatile", GUIDES_USAGE | {"prompt_time": 0.01, "total_time": 0.5}
    )

    stored = row(database)
    assert (stored["source"], stored["cost_usd"], stored["cost_basis"]) == ("groq", 0, "priced")
    assert stored["metadata"]["prompt_time"] == 0.01
    assert stored["metadata"]["total_time"] == 0.5


def test_the_guides_transcription_costs_by_its_duration_and_not_by_tokens(
    database: Database, acme: UUID
) -> None:
    log_whisper_usage(acme, None, PHONE, 30, 1500)

    stored = row(database)
    assert (stored["source"], stored["model"]) == ("whisper", "whisper-1")
    assert (stored["cost_usd"], stored["cost_basis"]) == (Decimal("0.003"), "priced")
    assert (stored["prompt_tokens"], stored["completion_tokens"], stored["total_tokens"]) == (0, 0, 1500)
    assert (stored["duration_seconds"], stored["operation"]) == (30, "transcription")


def test_what_the_caller_says_of_a_transcription_stays(database: Database, acme: UUID) -> None:
    log_whisper_usage(acme, None, None, 30, metadata={"operation": "translation", "file": "a.ogg"})
    stored = row(database)
    assert (stored["metadata"]["operation"], stored["metadata"]["file"]) == ("translation", "a.ogg")


@pytest.mark.parametrize("key", ["order 4711", "018f2f3e-7d4a-7c3b-9d4e-0123456789ab"])
def test_a_call_that_is_logged_twice_under_one_id_is_stored_once(
    database: Database, acme: UUID, key: str
) -> None:
    first = log_openai_usage(acme, None, None, "gpt-4", GUIDES_USAGE, id=key)
    flush()
    second = log_openai_usage(acme, None, None, "gpt-4", GUIDES_USAGE, id=key)

    assert first == second == row(database)["id"]
    assert (stats().stored, stats().already_there) == (1, 1)


def test_a_response_that_is_logged_again_fuller_is_updated(database: Database, acme: UUID) -> None:
    first = log_openai_usage(acme, None, None, "gpt-4", None, response_id="chatcmpl-1")
    flush()
    second = log_openai_usage(acme, "ticket 12", None, "gpt-4", GUIDES_USAGE, response_id="chatcmpl-1", id="")

    assert first == second == row(database)["id"]
    assert (row(database)["total_tokens"], row(database)["cost_usd"]) == (230, Decimal("0.0093"))
    assert (stats().stored, stats().updated, stats().already_there) == (1, 1, 0)


def test_ids_of_responses_that_are_drawn_from_a_thousand_name_no_call(database: Database, acme: UUID) -> None:
    for _ in range(2):
        log_usage(acme, "ollama", "qwen3", usage=GUIDES_USAGE, response_id="chatcmpl-123")

    assert len(rows(database)) == 2


def test_two_clients_may_use_the_same_key(database: Database, acme: UUID) -> None:
    other = factories.client(database, "Other")

    assert log_usage(acme, "openai", "gpt-4", id="1") != log_usage(other, "openai", "gpt-4", id="1")
    assert len(rows(database)) == 2


def test_a_conversation_may_have_any_name(database: Database, acme: UUID) -> None:
    log_openai_usage(acme, "ticket 12", None, "gpt-4", GUIDES_USAGE)
    flush()
    log_openai_usage(acme, "ticket 12", PHONE, "gpt-4", GUIDES_USAGE)

    first, second = rows(database)
    assert first["conversation_id"] == second["conversation_id"]
    [known] = select(database, "select id, name, phone from conversations")
    # The phone that the first call did not know was added by the second.
    assert known == {"id": first["conversation_id"], "name": "ticket 12", "phone": PHONE}


def test_two_conversations_with_one_phone_are_both_stored(database: Database, acme: UUID) -> None:
    for name in ("a", "b"):
        log_openai_usage(acme, name, PHONE, "gpt-4", GUIDES_USAGE)

    assert len(rows(database)) == 2
    known = select(database, "select phone from conversations order by phone")
    assert [each["phone"] for each in known] == [PHONE, None]


def test_cached_and_reasoning_tokens_are_counted_once(database: Database, acme: UUID) -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 500,
        "total_tokens": 1500,
        "prompt_tokens_details": {"cached_tokens": 800},
        "completion_tokens_details": {"reasoning_tokens": 300},
    }
    at = datetime(2026, 3, 18, tzinfo=UTC)

    log_openai_usage(acme, None, None, "gpt-4o-mini", usage, created_at=at)

    stored = row(database)
    assert (stored["prompt_tokens"], stored["completion_tokens"], stored["total_tokens"]) == (1000, 500, 1500)
    # 200 at 0.15, 800 cached at 0.075 and 500 at 0.60 USD per million, as of March 2026.
    assert stored["cost_usd"] == Decimal("0.00039")
    assert (stored["cached_tokens"], stored["reasoning_tokens"]) == (800, 300)
    assert stored["metadata"]["price"]["list"].startswith("genai-prices ")


def test_a_call_without_usage_is_kept_as_unpriced_with_the_reason(database: Database, acme: UUID) -> None:
    log_openai_usage(acme, None, None, "gpt-4", None)

    stored = row(database)
    assert (stored["cost_usd"], stored["cost_basis"], stored["total_tokens"]) == (0, "unpriced", 0)
    assert "usage" in stored["metadata"]["price"]["reason"]
    assert stats().unpriced == 1


def test_an_unknown_model_is_unpriced_and_counted(database: Database, acme: UUID) -> None:
    log_openai_usage(acme, None, None, "gpt-9-unheard-of", GUIDES_USAGE)

    assert row(database)["cost_basis"] == "unpriced"
    assert stats().unpriced == 1


def test_a_given_cost_wins_over_every_list(database: Database, acme: UUID) -> None:
    log_usage(acme, "openai", "gpt-4", usage=GUIDES_USAGE, cost_usd=0.1)

    stored = row(database)
    assert (stored["cost_usd"], stored["cost_basis"]) == (Decimal("0.1"), "given")


def test_a_given_cost_of_many_digits_is_rounded_and_kept(database: Database, acme: UUID) -> None:
    log_usage(acme, "openai", "gpt-4", cost_usd=Decimal("123456789012." + 25 * "1"))

    assert row(database)["cost_usd"] == Decimal("123456789012." + 20 * "1")


def test_the_context_says_whose_call_it_is(database: Database, acme: UUID) -> None:
    with usage_context(client_id=str(acme), conversation_id="ticket 12", phone=PHONE):
        log_openai_usage(None, None, None, "gpt-4", GUIDES_USAGE)

    stored = row(database)
    assert (stored["client_id"], stored["phone"]) == (acme, PHONE)
    assert stored["conversation_id"] is not None


def test_a_call_without_a_client_is_kept(database: Database) -> None:
    log_openai_usage(None, "ticket 12", None, "gpt-4", GUIDES_USAGE)

    assert row(database)["client_id"] == UUID(int=0)


def test_a_price_of_the_installation_counts_for_calls_that_were_logged_before_it_was_read(
    database: Database, acme: UUID
) -> None:
    # The tracker has not seen the database's list yet when it prices the first calls of a process.
    other = factories.client(database, "Other")
    with database.transaction() as connection:
        connection.execute(
            "insert into model_prices (client_id, source, model, input_usd, effective_from)"
            " values (null, 'openai', 'gpt-4', 10, '2026-01-01'), (%s, 'openai', 'gpt-4', 1, '-infinity')",
            [acme],
        )
    old, new = datetime(2025, 12, 31, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)

    million = {"prompt_tokens": 1_000_000}

    before = log_openai_usage(other, None, None, "gpt-4", million, created_at=old)
    after = log_openai_usage(other, None, None, "gpt-4", million, created_at=new)
    of_the_client = log_openai_usage(acme, None, None, "gpt-4", million, created_at=new)
    cut = log_openai_usage(acme, None, None, "gpt-4", None, created_at=new)

    by_id = {each["id"]: each for each in rows(database)}
    assert by_id[before]["cost_usd"] == 30
    assert by_id[after]["cost_usd"] == 10
    assert (by_id[of_the_client]["cost_usd"], by_id[of_the_client]["metadata"]["price"]["list"]) == (
        1,
        "client",
    )
    assert (by_id[cut]["cost_usd"], by_id[cut]["cost_basis"]) == (0, "unpriced")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"client_id": "acme"}, "client_id must be the UUID of a client, not 'acme'"),
        ({"created_at": datetime(2026, 1, 1)}, "created_at must be a datetime with a time zone"),  # noqa: DTZ001
        ({"created_at": datetime(1990, 1, 1, tzinfo=UTC)}, "created_at must be between 2000 and 2100"),
        ({"source": " "}, "source must name the provider"),
        ({"model": "x" * 201}, "model is longer than 200 characters"),
        ({"phone": "55\0"}, "phone holds a NUL character"),
        ({"phone": 5511}, "phone must be a text, not int"),
        ({"conversation_id": "\ud800"}, "conversation_id holds half a character"),
        ({"duration_seconds": -1}, "duration_seconds must be between 0"),
        ({"cost_usd": float("nan")}, "cost_usd must be between 0"),
        ({"cost_usd": "ten"}, "cost_usd must be a number, not 'ten'"),
        ({"metadata": {"at": datetime.now(UTC)}}, "metadata cannot be kept as JSON"),
        ({"metadata": {"x": float("inf")}}, "metadata cannot be kept as JSON"),
    ],
)
def test_impossible_arguments_name_the_argument(acme: UUID, arguments: dict[str, Any], message: str) -> None:
    arguments = {"client_id": acme, "source": "openai", "model": "gpt-4", "usage": GUIDES_USAGE} | arguments

    with pytest.raises(InvalidInput, match="^" + message.replace("(", r"\(")):
        log_usage(**arguments)


def test_unless_strict_impossible_arguments_are_reported_once_per_kind_and_counted(
    database: Database, acme: UUID, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    configure(database_url=dsn(database.url), directory=tmp_path, strict=False)

    with caplog.at_level(logging.ERROR, "analytics.tracking"):
        for _ in range(3):
            assert log_openai_usage("acme", None, None, "gpt-4", GUIDES_USAGE) is None
        assert log_openai_usage(acme, None, f"{PHONE}\0", "gpt-4", GUIDES_USAGE) is None
        log_openai_usage(acme, None, None, "gpt-4", GUIDES_USAGE)

    assert stats().rejected == {"client_id": 3, "phone": 1}
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert PHONE not in caplog.text
    assert len(rows(database)) == 1


def test_the_call_of_a_client_that_is_missing_waits_for_it_aside(
    database: Database, acme: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = uuid4()
    log_openai_usage(late, None, None, "gpt-4", GUIDES_USAGE)
    log_openai_usage(acme, None, None, "gpt-4", GUIDES_USAGE)
    assert [each["client_id"] for each in rows(database)] == [acme]
    assert stats().set_aside == 1
    close()
    monkeypatch.setenv("DATABASE_URL", dsn(database.url))
    monkeypatch.setenv("USAGE_DATA_DIR", str(tmp_path))

    shown = CliRunner().invoke(main, ["spool"])
    assert f"1 call set aside: no client has the id {late}" in shown.output
    factories.client(database, "Late", id=late)
    replayed = CliRunner().invoke(main, ["spool", "--replay"])

    assert "1 call stored, 0 there already, 0 set aside" in replayed.output
    assert len(select(database, "select from usage_logs")) == 2
    assert "0 calls waiting" in CliRunner().invoke(main, ["spool"]).output


def test_a_poisoned_call_is_set_aside_alone(database: Database, acme: UUID) -> None:
    with database.transaction() as connection:
        connection.execute("alter table usage_logs add check (model <> 'poison')")
    for number in range(20):
        log_usage(acme, "openai", "poison" if number == 7 else "gpt-4")

    assert len(rows(database)) == 19
    assert stats().set_aside == 1
    assert stats().waiting == 0


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("\0", "\N{REPLACEMENT CHARACTER}"),
        ("a\ud800b", "a\N{REPLACEMENT CHARACTER}b"),
        ("\udc00\ud800", 2 * "\N{REPLACEMENT CHARACTER}"),
        ("\N{GRINNING FACE} \\u0000 \\\0", "\N{GRINNING FACE} \\u0000 \\\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_characters_that_the_database_does_not_take_lose_no_call(
    database: Database, acme: UUID, text: str, kept: str
) -> None:
    log_usage(acme, "openai", "gpt-4", usage=GUIDES_USAGE, metadata={"text": text})

    assert row(database)["metadata"]["text"] == kept


def test_a_database_that_is_away_is_waited_for(
    database: Database,
    acme: UUID,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with TcpProxy(database.url) as proxy:
        configure(database_url=dsn(proxy.url), directory=tmp_path)
        log_openai_usage(acme, None, None, "gpt-4", GUIDES_USAGE)
        assert flush()
        proxy.stop()

        for _ in range(5):
            log_openai_usage(acme, None, PHONE, "gpt-4", GUIDES_USAGE)
        assert not flush(timeout_seconds=1)
        assert stats().waiting == 5
        assert "cannot reach" in str(stats().last_error)
        assert [record.message for record in caplog.records if "wait" in record.message] != []
        assert PHONE not in caplog.text
        close()

    # The server moved to another address, which has a spool of its own.
    [left] = tmp_path.glob("*.db")
    monkeypatch.setenv("DATABASE_URL", dsn(database.url))
    monkeypatch.setenv("USAGE_DATA_DIR", str(tmp_path / "elsewhere"))
    replayed = CliRunner().invoke(main, ["spool", "--replay", "--file", str(left)])

    assert "5 calls stored" in replayed.output
    assert len(select(database, "select from usage_logs")) == 6


def test_a_full_spool_goes_on_in_memory_and_says_so(
    database: Database, acme: UUID, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with TcpProxy(database.url) as proxy:
        proxy.cut()
        configure(database_url=dsn(proxy.url), directory=tmp_path, spool_max_calls=3, synchronous=True)
        proxy.stop()
        for _ in range(5):
            log_openai_usage(acme, None, None, "gpt-4", GUIDES_USAGE)

        assert (stats().logged, stats().waiting, stats().in_memory) == (5, 3, 2)
        assert "the spool takes no calls (3 calls are waiting" in caplog.text


def test_without_a_place_for_the_spool_calls_go_straight_to_the_database(
    database: Database, acme: UUID, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a directory")
    configure(database_url=dsn(database.url), directory=tmp_path / "file")

    log_openai_usage(acme, None, None, "gpt-4", GUIDES_USAGE)

    assert len(rows(database)) == 1
    assert stats().spool_path is None
    assert "set USAGE_DATA_DIR to a directory that can be written" in caplog.text


def test_in_synchronous_mode_the_call_is_stored_when_logging_returns(
    database: Database, acme: UUID, tmp_path: Path
) -> None:
    configure(database_url=dsn(database.url), directory=tmp_path, synchronous=True)

    log_openai_usage(acme, None, None, "gpt-4", GUIDES_USAGE)

    assert len(select(database, "select from usage_logs")) == 1


async def _log_in_tasks(acme: UUID) -> None:
    async def one(number: int) -> None:
        with usage_context(client_id=acme, conversation_id=f"ticket {number % 5}"):
            await asyncio.sleep(0)
            log_openai_usage(None, None, None, "gpt-4", GUIDES_USAGE)

    await asyncio.gather(*(one(number) for number in range(50)))


def test_asyncio_tasks_keep_their_context(database: Database, acme: UUID) -> None:
    asyncio.run(_log_in_tasks(acme))

    stored = rows(database)
    assert len(stored) == 50
    assert len({each["conversation_id"] for each in stored}) == 5


def test_shipped_calls_are_folded_when_the_tracker_closes(database: Database, acme: UUID) -> None:
    log_openai_usage(acme, None, None, "gpt-4", GUIDES_USAGE)

    close()

    assert select(database, "select from usage_pending") == []
    assert len(select(database, "select from usage_daily_rollup")) == 1
