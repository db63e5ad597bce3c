"""Checks: each of them well, and each of them as it stands when something is wrong."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

import analytics
from analytics import health
from analytics.config import tracker_settings
from analytics.database import Database
from analytics.days import Days
from analytics.health import Check
from analytics.health.installation import INDEXES, TABLES
from analytics.migrations import apply_migrations, as_one_text, sql_files
from analytics.pricing.editing import add_price, checked_price
from analytics.pricing.switch import use_list
from analytics.tracking import passed_over
from analytics.tracking.spans import PassedOver
from analytics.tracking.spool import Spool
from tests import factories
from tests.connections import dsn
from tests.factories import NOW
from tests.test_migrations import install_first_main

TODAY = NOW.date()
FIRST = TODAY - timedelta(days=29)


@pytest.fixture
def spool_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("USAGE_DATA_DIR", str(tmp_path))
    return tmp_path


def of_client(database: Database, client_id: UUID, now: datetime = NOW) -> dict[str, Check]:
    return by_name(health.client_checks(database, client_id, Days(FIRST, TODAY), now))


def of_installation(database: Database) -> dict[str, Check]:
    return by_name(health.installation_checks(database, Days(FIRST, TODAY), NOW))


def by_name(checks: Iterable[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def hourly(database: Database, client_id: UUID, hours: int, **columns: object) -> None:
    """A call in each of the last `hours` hours before NOW, the last one an hour ago."""
    factories.insert_usage(
        database,
        *(
            factories.usage_log(client_id, created_at=NOW - timedelta(hours=hour), **columns)
            for hour in range(1, hours + 1)
        ),
    )


def execute(database: Database, *statements: str) -> None:
    with database.transaction() as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_a_client_without_calls_fails_and_says_what_to_do(database: Database, acme: UUID) -> None:
    check = of_client(database, acme)["Calls in these days"]

    assert (check.state, check.finding) == ("fail", "this client has no calls")
    assert str(acme) in check.remedy


def test_calls_of_other_days_are_told(database: Database, acme: UUID) -> None:
    factories.insert_usage(database, factories.usage_log(acme, created_at=NOW - timedelta(days=60)))

    check = of_client(database, acme)["Calls in these days"]

    assert check.state == "warn"
    assert (
        check.finding
        == "none from 17 Feb 2026 to 18 Mar 2026; there are some from 17 Jan 2026 to 17 Jan 2026"
    )


def test_a_healthy_client(database: Database, acme: UUID) -> None:
    hourly(database, acme, 20)

    checks = of_client(database, acme)

    assert {check.state for check in checks.values()} == {"ok"}
    assert not any(check.remedy for check in checks.values())
    assert checks["Calls in these days"].finding.startswith("20 calls from 17 Feb 2026 to 18 Mar 2026")
    assert checks["Last call of openai"].finding == (
        "1 h ago, 18 Mar, 11:00 UTC; in 28 days there were calls in every hour"
    )


def test_other_clients_calls_are_not_looked_at(database: Database, acme: UUID) -> None:
    hourly(database, factories.client(database, "Other"), 20, cost_basis="unpriced", cost_usd=Decimal(0))

    checks = of_client(database, acme)

    assert checks["Calls without a price"].state == "ok"
    assert "Last call of openai" not in checks


@pytest.mark.parametrize(("silent_for", "state"), [(1, "ok"), (2, "warn")])
def test_a_source_is_silent_for_much_longer_than_usual(
    database: Database, acme: UUID, silent_for: int, state: str
) -> None:
    hourly(database, acme, 20)
    # An hour is usual; the last call is one hour before NOW.
    later = NOW + timedelta(hours=silent_for - 1, seconds=1)

    check = of_client(database, acme, later)["Last call of openai"]

    assert check.state == state


def test_the_longest_pause_is_told_exactly(database: Database, acme: UUID) -> None:
    hourly(database, acme, 20)
    earlier = (timedelta(hours=26, minutes=30), timedelta(hours=33, minutes=10), timedelta(days=40))
    for ago in earlier:
        factories.insert_usage(database, factories.usage_log(acme, created_at=NOW - ago))

    for source, count, pause in factories.call(
        database, "source, request_count, longest_pause", "get_rhythm", acme, NOW, 28
    ):
        # Between the first two, not from the one to the calls of each hour.
        assert (source, count, pause) == ("openai", 22, timedelta(hours=6, minutes=40))
    check = of_client(database, acme)["Last call of openai"]
    assert "its longest pause in 28 days was" in check.finding


def test_a_few_calls_have_no_rhythm(database: Database, acme: UUID) -> None:
    hourly(database, acme, 9)

    check = of_client(database, acme, NOW + timedelta(days=5))["Last call of openai"]

    assert check.state == "ok"
    assert "9 calls in 28 days: too few" in check.finding


def test_unpriced_calls_name_their_models(database: Database, acme: UUID) -> None:
    unknown = {"cost_basis": "unpriced", "cost_usd": Decimal(0)}
    factories.insert_usage(
        database,
        factories.usage_log(acme),
        factories.usage_log(acme, model="new-1", **unknown),
        factories.usage_log(acme, model="new-1", **unknown),
        factories.usage_log(acme, model=None, **unknown),
    )

    check = of_client(database, acme)["Calls without a price"]

    assert check.state == "warn"
    assert check.finding.startswith("3 calls, 75.0% of all: openai new-1, openai (no model).")


def test_estimated_costs_say_why(database: Database, acme: UUID) -> None:
    estimated = {"cost_basis": "estimated"}
    factories.insert_usage(database, factories.usage_log(acme), factories.usage_log(acme, **estimated))
    by_tokens = of_client(database, acme)["Calls with an estimated cost"]
    assert (by_tokens.state, by_tokens.remedy) == ("ok", "")
    assert by_tokens.finding == "1 call, 50.0% of all: openai gpt-4. Their tokens are estimates"

    why = {"price": {"estimated": "web searches have no price here and are not counted"}}
    factories.insert_usage(database, factories.usage_log(acme, model="grok-4", metadata=why, **estimated))
    by_price = of_client(database, acme)["Calls with an estimated cost"]
    assert by_price.state == "warn"
    assert by_price.finding == (
        "2 calls, 66.7% of all: openai gpt-4, openai grok-4. Of the newest: web searches have no price here "
        "and are not counted (1 call)"
    )
    assert "prices set" in by_price.remedy


def test_what_providers_state_is_compared(database: Database, acme: UUID) -> None:
    name = "Costs that providers state"
    factories.insert_usage(database, factories.usage_log(acme))
    assert of_client(database, acme)[name].finding.startswith("no provider or gateway says")
    factories.insert_usage(database, factories.usage_log(acme, stated_cost_usd=Decimal("0.0093")))
    assert of_client(database, acme)[name].finding == "they agree with those booked, in 1 call"

    factories.insert_usage(database, factories.usage_log(acme, model="sonar", stated_cost_usd=Decimal("0.5")))
    differing = of_client(database, acme)[name]
    assert (differing.state, differing.finding) == (
        "warn",
        "openai sonar: $0.50 by the provider, $0.0093 booked",
    )


def test_calls_that_tell_no_usage(database: Database, acme: UUID) -> None:
    none = {"prompt_tokens": 0, "completion_tokens": 0}
    factories.insert_usage(
        database,
        factories.usage_log(acme),
        factories.usage_log(acme, **none),
        # Audio tells its length instead.
        factories.usage_log(acme, source="whisper", metadata={"duration_seconds": 30}, **none),
    )

    check = of_client(database, acme)["Calls without usage"]

    assert check.state == "warn"
    assert "1 call, 33.3% of all" in check.finding
    assert check.finding.endswith(": 1 of openai")


def test_calls_that_failed_or_are_sold_by_other_meters_are_not_without_usage(
    database: Database, acme: UUID
) -> None:
    none = {"prompt_tokens": 0, "completion_tokens": 0}
    factories.insert_usage(
        database,
        factories.usage_log(acme, outcome="error", **none),
        factories.usage_log(acme, outcome="refused", **none),
        factories.usage_log(acme, model="tts-1", character_count=12, **none),
        factories.usage_log(acme, model="dall-e-3", image_count=1, **none),
    )
    check = of_client(database, acme)["Calls without usage"]
    assert (check.state, check.finding) == ("ok", "none: every call tells what it used, or failed")

    # A stream that broke off was answered, and had to be paid for.
    factories.insert_usage(database, factories.usage_log(acme, outcome="cut", **none))
    assert "1 call, 20.0% of all" in of_client(database, acme)["Calls without usage"].finding


def test_fields_that_were_not_understood_are_counted_by_name(database: Database, acme: UUID) -> None:
    name = "Fields of usage objects"
    other = factories.client(database, "Other")
    for client_id, at, fields in (
        (acme, NOW, {"video_tokens": "not known"}),
        (acme, NOW, {"video_tokens": "not known", "cached_tokens": "-1 cannot be: left out"}),
        (acme, NOW - timedelta(days=60), {"long_ago": "not known"}),
        (other, NOW, {"of_others": "not known"}),
    ):
        metadata = {"usage_not_understood": fields, "usage": {"video_tokens": 7}}
        factories.insert_usage(database, factories.usage_log(client_id, created_at=at, metadata=metadata))

    check = of_client(database, acme)[name]
    assert check.state == "warn"
    assert check.finding == (
        "2 fields not understood in the newest calls: video_tokens of openai in 2 calls (not known); "
        "cached_tokens of openai in 1 call (-1 cannot be: left out). The cost of these calls is an estimate"
    )
    assert "under usage" in check.remedy
    assert of_client(database, factories.client(database, "New"))[name].state == "ok"


def test_fields_with_a_phone_in_their_name_are_masked(database: Database, acme: UUID) -> None:
    metadata = {"usage_not_understood": {"5511987654321": "5511987654321 cannot be"}}
    factories.insert_usage(database, factories.usage_log(acme, metadata=metadata))

    finding = of_client(database, acme)["Fields of usage objects"].finding
    assert "5511987654321" not in finding
    assert "•••• 4321 of openai" in finding


def test_fields_are_an_object_or_nothing(database: Database, acme: UUID) -> None:
    for odd in ("text", ["list"], None, 7):
        factories.insert_usage(database, factories.usage_log(acme, metadata={"usage_not_understood": odd}))
    assert of_client(database, acme)["Fields of usage objects"].state == "ok"


def test_calls_under_other_tags_are_counted(database: Database, acme: UUID) -> None:
    factories.insert_usage(database, factories.usage_log(acme, tag_set_id=7))
    assert of_client(database, acme)["Tags"].state == "ok"

    factories.insert_usage(database, factories.usage_log(acme, tag_set_id=0))
    database.fold()
    check = of_client(database, acme)["Tags"]
    assert check.state == "warn"
    assert check.finding.startswith('1 call, 50.0% of all, count under "other"')


def test_days_whose_facts_are_not_summed_yet_are_told(database: Database, acme: UUID) -> None:
    name = "Facts of earlier calls"
    assert of_installation(database)[name].state == "ok"

    execute(
        database,
        "insert into usage_days_to_sum (client_id, usage_date) select id, '2026-03-01' from clients",
        "insert into usage_days_to_sum (client_id, usage_date) select id, '2026-03-02' from clients",
    )
    check = of_installation(database)[name]
    assert check.state == "warn"
    assert check.finding.startswith("2 days of 1 client wait")
    assert check.remedy == 'run "python -m analytics migrate"'

    apply_migrations(database)
    assert of_installation(database)[name].state == "ok"


def test_sums_equal_the_calls(database: Database, acme: UUID) -> None:
    hourly(database, acme, 3)
    database.fold()
    hourly(database, acme, 2)

    assert health.sums_check(database, acme, Days(FIRST, TODAY)).state == "ok"


def test_changed_sums_are_found_and_the_remedy_mends_them(database: Database, acme: UUID) -> None:
    hourly(database, acme, 3)
    database.fold()
    execute(database, "update usage_daily_rollup set request_count = 7, cost_usd = 1")

    check = health.sums_check(database, acme, Days(FIRST, TODAY))

    assert check.state == "fail"
    assert (
        "openai gpt-4 on 18 Mar 2026 is 7 calls and 1 USD, while its calls are 3 and 0.0279 USD"
        in check.finding
    )
    execute(database, check.remedy[check.remedy.index("insert into") :])
    apply_migrations(database)

    assert health.sums_check(database, acme, Days(FIRST, TODAY)).state == "ok"


def test_a_healthy_installation(database: Database, acme: UUID, spool_directory: Path) -> None:
    hourly(database, acme, 1)
    checks = of_installation(database)

    assert {name: check.state for name, check in checks.items() if check.state != "ok"} == {
        "Duplicates refused": "unknown",
        "Slowest queries": "unknown",
    }
    assert checks["Retention"].finding == "no rule: all calls are kept"
    assert checks["Database and migrations"].finding.endswith(": all migrations applied")
    assert checks["Pending sums"].finding.startswith("1 row to be folded")


def test_a_price_that_is_a_plan_is_said_until_somebody_decides(database: Database, acme: UUID) -> None:
    name = "Prices beside the public list"
    groq = {"source": "groq", "model": "llama-3.3-70b-versatile", "cost_usd": Decimal(0)}
    factories.insert_usage(database, factories.usage_log(acme, **groq), factories.usage_log(acme))

    check = of_client(database, acme)[name]
    assert check.state == "warn"
    assert check.finding == (
        "1 call of groq llama-3.3-70b-versatile with another price: booked with $0.00, $0.00015 at list "
        "prices. In the guide's list Groq is free, as on Groq's free plan"
    )
    assert "python -m analytics prices use public" in check.remedy

    meant = checked_price(
        source="groq", model="*", unit="1M tokens", input_usd="0", output_usd="0", client_id=None,
        effective_from=NOW - timedelta(days=1),
    )  # fmt: skip
    add_price(database, meant, note="we are on the free plan")
    assert of_client(database, acme)[name].state == "ok"
    assert "$0.00015 at list prices" in of_client(database, acme)[name].finding


def test_with_the_public_list_in_use_no_price_is_another(database: Database, acme: UUID) -> None:
    use_list(database, "public", NOW - timedelta(days=40), by="ana")
    groq = {"source": "groq", "model": "llama-3.3-70b-versatile", "cost_usd": Decimal("0.0001517")}
    factories.insert_usage(database, factories.usage_log(acme, **groq))

    check = of_client(database, acme)["Prices beside the public list"]
    assert (check.state, check.remedy) == ("ok", "")
    assert check.finding == "no call of these days has another price than the public one"


def test_migrations_pasted_by_hand_are_fine(empty_database: Database) -> None:
    with psycopg.connect(dsn(empty_database.url), autocommit=True) as connection:
        connection.execute(as_one_text().encode())

    check = of_installation(empty_database)["Database and migrations"]

    assert check.state == "ok"
    assert check.finding.endswith(": all migrations applied")


def test_missing_migrations_are_named_and_nothing_else_is_asked(empty_database: Database) -> None:
    checks = of_installation(empty_database)

    migrations = checks["Database and migrations"]
    assert migrations.state == "fail"
    assert "lacks 010_clients, 011_analytics_usage_tracking, 012_prices_and_corrections" in migrations.finding
    assert "python -m analytics migrate" in migrations.remedy
    assert "Indexes" not in checks

    apply_migrations(empty_database)
    assert of_installation(empty_database)["Database and migrations"].state == "ok"


@pytest.mark.parametrize(
    ("gone", "name"),
    [
        ("function get_usage_over_time", "get_usage_over_time(uuid, date, date, text, jsonb)"),
        ("view usage_conversation", "usage_conversation"),
        ("table usage_latency_rollup cascade", "usage_latency_rollup, usage_latency_daily"),
    ],
)
def test_one_thing_that_is_missing_is_enough(database: Database, gone: str, name: str) -> None:
    execute(database, f"drop {gone}")

    check = of_installation(database)["Database and migrations"]

    assert check.state == "fail"
    assert check.finding.endswith(f" lacks {name}")


def test_the_tables_that_must_be_there_are_all_there_are(database: Database) -> None:
    with database.transaction() as connection:
        tables = connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        ).fetchall()

    assert {*TABLES, "applied_sql"} == {name for (name,) in tables}


def test_a_database_of_another_version_is_said(database: Database) -> None:
    execute(database, "update applied_sql set sha256 = 'x' where name = 'functions/live'")

    check = of_installation(database)["Database and migrations"]

    assert check.state == "warn"
    assert check.finding.endswith(": functions/live applied as of another version")
    assert "python -m analytics migrate" in check.remedy


def test_what_a_file_made_that_is_no_more_may_be_gone(database: Database) -> None:
    execute(database, "insert into applied_sql (name, makes) values ('functions/earlier', '{earlier()}')")

    assert of_installation(database)["Database and migrations"].state == "ok"


def test_what_the_first_main_made_lacks_what_came_since(empty_database: Database) -> None:
    install_first_main(empty_database)

    check = of_installation(empty_database)["Database and migrations"]

    assert check.state == "fail"
    newer = sorted(file.name for file in sql_files() if file.is_migration and file.name > "021")
    assert check.finding.endswith(f" lacks {', '.join(newer)}")


def test_who_may_not_know_what_is_applied_is_told_so(role: sql.Identifier, database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(sql.SQL("alter role {} login").format(role))
    stranger = Database(database.url.set(username=role.as_string().strip('"')))
    try:
        check = of_installation(stranger)["Database and migrations"]
        assert check.state == "unknown"
        assert "grant analytics_reader" in check.remedy

        with database.transaction() as connection:
            connection.execute(sql.SQL("grant analytics_reader to {}").format(role))
        check = of_installation(stranger)["Database and migrations"]
        assert check.finding.endswith(": all migrations applied")
    finally:
        stranger.close()


def test_a_database_that_is_away_fails(database: Database) -> None:
    away = Database(database.url.set(host="127.0.0.1", port=1, query={}))

    check = of_installation(away)["Database and migrations"]

    assert check.state == "fail"
    assert "cannot reach" in check.finding


def test_much_that_is_pending(database: Database, acme: UUID) -> None:
    factories.insert_usage(database, factories.usage_log(acme))
    execute(
        database,
        "insert into usage_pending select pending.* from usage_pending as pending,"
        " generate_series(1, 100000)",
    )

    check = of_installation(database)["Pending sums"]

    assert check.state == "warn"
    assert check.finding.startswith("more than 100,000 rows to be folded")


def test_calls_without_a_client(database: Database) -> None:
    factories.insert_usage(database, factories.usage_log(None))  # type: ignore[arg-type]

    check = of_installation(database)["Calls without a client"]

    assert (check.state, check.finding) == (
        "warn",
        "1 call from 17 Feb 2026 to 18 Mar 2026, which no page of a client shows",
    )


@pytest.mark.parametrize("table", INDEXES)
def test_each_index_is_missed_and_its_remedy_is_right(database: Database, table: str) -> None:
    with database.transaction() as connection:
        rows = connection.execute(
            "select c.conname, i.indexrelid::regclass::text from pg_index as i"
            " left join pg_constraint as c on c.conindid = i.indexrelid where i.indrelid = %s::regclass",
            [table],
        ).fetchall()
        for constraint, index in rows:
            what = (
                f"alter table {table} drop constraint {constraint}" if constraint else f"drop index {index}"
            )
            connection.execute(what.encode())

    check = of_installation(database)["Indexes"]

    assert check.state == "fail"
    assert table in check.finding
    for statement in check.remedy.split("; "):
        execute(database, statement.replace(" concurrently", ""))
    assert of_installation(database)["Indexes"].state == "ok"


def test_slowest_queries_where_the_server_keeps_them(database: Database) -> None:
    execute(
        database,
        "create schema extensions",
        "create view extensions.pg_stat_statements as select oid as dbid, 'select  get_x()' as query,"
        " 3::bigint as calls, 1500.4::float8 as mean_exec_time"
        " from pg_database where datname = current_database()",
    )

    check = of_installation(database)["Slowest queries"]

    assert (check.state, check.finding) == ("warn", "1,500 ms on average of 3 calls: select get_x()")


def test_calls_that_wait_on_this_machine(database: Database, acme: UUID, spool_directory: Path) -> None:
    analytics.configure(database_url="postgresql://127.0.0.1:1/away")
    analytics.log_openai_usage(acme, None, None, "gpt-4", {"prompt_tokens": 1, "completion_tokens": 1})
    line = waiting_line(spool_directory)
    analytics.close(timeout_seconds=0)
    settings = tracker_settings()
    spool = Spool(settings.spool_path, max_calls=10)
    spool.append("", line)
    spool.close()

    check = of_installation(database)["Calls waiting on this machine"]

    assert check.finding.startswith("1 waiting, the oldest made ")


def waiting_line(directory: Path) -> str:
    """The one call that waits in any of the spools there."""
    for path in (directory / "spool").glob("*.db"):
        spool = Spool(path, max_calls=10)
        calls = spool.read(1)
        spool.close()
        if calls:
            return calls[0].line
    raise AssertionError("no call waits")


def test_duplicates_that_this_process_sent(database: Database, acme: UUID, tracker: None) -> None:
    for _ in range(2):
        analytics.log_openai_usage(
            acme, None, None, "gpt-4", {"prompt_tokens": 1, "completion_tokens": 1}, id="call 1"
        )
        analytics.flush()

    check = of_installation(database)["Duplicates refused"]

    assert (check.state, check.finding) == (
        "ok",
        "1 call sent again and stored once, of 2 that this process logged",
    )


def test_an_old_price_list(database: Database) -> None:
    # As seen from long after the installed list was made.
    checks = by_name(health.installation_checks(database, Days(FIRST, TODAY), NOW + timedelta(days=3650)))

    assert checks["Public price list"].state == "warn"
    assert "pip install --upgrade genai-prices" in checks["Public price list"].remedy


def test_the_worst_decides() -> None:
    ok, warn, fail, unknown = (
        Check(name="a", state=state, finding="b") for state in ("ok", "warn", "fail", "unknown")
    )  # type: ignore[arg-type]
    assert health.worst([ok, warn, fail]) == "fail"
    assert health.worst([warn, unknown, ok]) == "warn"
    assert health.worst([unknown, ok]) == "ok"


def test_spans_of_which_no_call_came(database: Database, acme: UUID) -> None:
    name = "Spans and logs that are no calls"
    assert name not in of_client(database, acme)
    for span, number in (
        (PassedOver("invoke_agent", "it sums up the calls within it", is_expected=True), 3),
        (PassedOver("guess", "it names no model"), 2),
    ):
        for _ in range(number):
            passed_over.count(str(acme), span)
        check = of_client(database, acme)[name]

    assert (check.state, check.finding) == (
        "warn",
        "2 records since this server began look like calls of models and were passed over: "
        "2 of guess (it names no model)",
    )
    assert name not in of_client(database, factories.client(database, "Globex"))
