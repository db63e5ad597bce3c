"""Demo clients: plausible, the same for the same seed and end, and never in the way of real ones."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from analytics import demo
from analytics.corrections import preview_costs, select_calls
from analytics.database import Database, Query
from analytics.days import Days
from analytics.demo import history
from analytics.demo.profiles import DEMO_CLIENTS, DemoClient
from analytics.errors import InvalidInput
from tests import factories
from tests.clones import Clones

WEEKS = 2
CONTENT = """
    select md5(string_agg(usage_logs::text, ',' order by client_id, id)) from usage_logs
    union all
    select md5(string_agg(concat(client_id, id, phone, name), ',' order by client_id, id)) from conversations
"""


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    (answer,) = database.read(Query(statement=statement))
    return list(answer.records)


@pytest.fixture
def filled(database: Database) -> demo.Filled:
    return demo.fill(database, end=factories.NOW, weeks=WEEKS)


@pytest.fixture(scope="module")
def shown_all(clones: Clones, migrated_template: str) -> Iterator[Database]:
    """Weeks enough for what is rare. Tests read only."""
    with clones.copy(migrated_template) as database:
        demo.fill(database, end=factories.NOW, weeks=5)
        yield database


def test_three_clients_in_three_time_zones(database: Database, filled: demo.Filled) -> None:
    assert rows(database, "select name, timezone, is_demo from clients order by name") == [
        ("Aurora Clínicas", "America/Sao_Paulo", True),
        ("Kaveri Foods", "Asia/Kolkata", True),
        ("Nordlicht Versand", "Europe/Berlin", True),
    ]
    assert rows(database, "select count(*) from usage_logs") == [(filled.calls,)]
    assert rows(database, "select count(*) from conversations") == [(filled.conversations,)]


def test_no_call_is_later_than_the_end_or_earlier_than_the_weeks(
    database: Database, filled: demo.Filled
) -> None:
    ((first_at, last_at),) = rows(database, "select min(created_at), max(created_at) from usage_logs")

    assert factories.NOW - timedelta(weeks=WEEKS) < first_at
    assert factories.NOW - timedelta(minutes=30) < last_at <= factories.NOW


def test_every_day_of_every_client_has_calls(database: Database, filled: demo.Filled) -> None:
    days = (
        "select name, count(distinct usage_date) from usage_daily join clients on id = client_id group by 1"
    )

    assert {count for _, count in rows(database, days)} <= {WEEKS * 7, WEEKS * 7 - 1}


def test_providers_models_and_coverage(database: Database, filled: demo.Filled) -> None:
    per_source = rows(
        database,
        """
        select name, source, count(distinct model), round(sum(total_tokens) * 100 / sum(sum(total_tokens))
            over (partition by name)), sum(cost_usd) > 0, array_agg(distinct cost_basis)
        from usage_logs join clients on clients.id = client_id
        group by name, source
        """,
    )

    for name in filled.client_names:
        sources = {source: values for client, source, *values in per_source if client == name}
        assert set(sources) - {"anthropic"} == {"openai", "groq", "whisper", "selfhosted"}
        assert sources["openai"][0] >= 3
        assert sources["openai"][1] > 30
        assert sources["groq"][1] > 15
        assert sources["whisper"][1] < 5
        assert sources["whisper"][2]
        assert sources["selfhosted"][2:] == [False, ["unpriced"]]
        bases = {basis for source in ("openai", "groq", "whisper") for basis in sources[source][3]}
        assert bases <= {"priced", "estimated"}
        assert not sources["groq"][2]  # the guide's list: Groq is free


def test_calls_say_what_they_were_for(database: Database, filled: demo.Filled) -> None:
    operations = rows(database, "select distinct source, operation from usage_logs order by 1, 2 nulls last")
    assert operations == [
        ("anthropic", "chat"),
        ("groq", "chat"),
        ("openai", "chat"),
        ("openai", "embeddings"),
        ("openai", "image_generation"),
        ("openai", "speech"),
        ("selfhosted", None),
        ("whisper", "transcription"),
    ]


def test_whisper_costs_what_its_duration_says(database: Database, filled: demo.Filled) -> None:
    wrong = """
        select count(*) from usage_logs
        where source = 'whisper' and outcome = 'ok' and cost_usd <> duration_seconds * 0.0001
    """

    assert rows(database, wrong) == [(0,)]


@pytest.mark.parametrize(
    "facts",
    [
        "cached_tokens > 0 and cached_tokens < prompt_tokens",
        "cache_write_tokens > 0",
        "reasoning_tokens > 0 and service_tier = 'flex'",
        "prompt_audio_tokens > 0 and completion_audio_tokens > 0 and cost_basis = 'priced'",
        "completion_image_tokens > 0 and image_count = 1 and cost_usd > 0.03",
        "character_count > 0 and total_tokens = 0 and cost_usd > 0",
        "web_search_count = 1 and cost_usd > 0.01",
        "service_tier = 'batch' and latency_ms is null",
        "service_tier = 'on_demand' and cost_basis = 'priced'",
        "starts_with(model, 'ft:') and cost_basis = 'priced'",
        "outcome = 'cut'",
        "outcome = 'refused'",
        "outcome = 'error' and attempt = 2 and cost_usd = 0",
        "latency_ms > time_to_first_token_ms",
        "stated_cost_usd > cost_usd",
        "metadata ? 'usage_not_understood' and metadata ? 'usage' and cost_basis = 'estimated'",
        "response_id is not null",
        "tag_set_id > 0",
        "tag_set_id is null",
    ],
)
def test_it_shows_all_that_a_call_may_tell(shown_all: Database, facts: str) -> None:
    # The facts are constants of this test.
    assert rows(shown_all, f"select count(*) > 0 from usage_logs where {facts}") == [(True,)]  # noqa: S608


def test_attempts_of_one_operation_end_with_an_answer(shown_all: Database) -> None:
    statement = """
        select count(*)
        from (
            select
                array_agg(outcome order by attempt) as outcomes,
                array_agg(attempt order by attempt) as attempts,
                array_agg(attempt order by created_at) as in_time
            from usage_logs
            where operation_id is not null
            group by operation_id
        ) as operations
        where
            attempts <> (array[1, 2, 3])[:cardinality(attempts)]
            or in_time <> attempts
            or cardinality(attempts) < 2
            or outcomes[1] <> 'error'
            or outcomes[cardinality(outcomes)] = 'error'
    """
    assert rows(shown_all, statement) == [(0,)]


@pytest.mark.parametrize("profile", DEMO_CLIENTS, ids=lambda profile: profile.name)
def test_reprice_has_nothing_to_correct(shown_all: Database, profile: DemoClient) -> None:
    last = factories.NOW.date()
    selection = select_calls(shown_all, profile.name, Days(last - timedelta(days=40), last))

    total = preview_costs(shown_all, selection).total
    assert (total.changed_count, total.booked_usd) == (0, total.repriced_usd)
    assert total.request_count > 1_000


def test_tags_add_up_to_all_calls(shown_all: Database) -> None:
    found = rows(
        shown_all,
        """
        select sum(tagged.request_count)::bigint, (select count(*) from usage_logs), count(distinct value)
        from clients
        cross join lateral get_usage_by_tag(clients.id, 'feature', '2026-01-01', '2026-12-31') as tagged
        """,
    )
    [(tagged, everything, values)] = found
    assert tagged == everything
    assert values == sum(len(profile.teams) for profile in DEMO_CLIENTS)


def test_calls_and_conversations_fit_together(database: Database, filled: demo.Filled) -> None:
    ((without, strangers),) = rows(
        database,
        """
        select
            count(*) filter (where log.conversation_id is null and log.phone is null),
            count(*) filter (where log.conversation_id is not null and known.phone is distinct from log.phone)
        from usage_logs as log
        left join conversations as known
            on known.client_id = log.client_id and known.id = log.conversation_id
        """,
    )

    assert 0 < without < filled.calls / 10
    assert strangers == 0
    assert rows(database, "select count(*) from conversations where phone !~ '^[1-9][0-9]{7,14}$'") == [(0,)]


def test_everything_is_folded(database: Database, filled: demo.Filled) -> None:
    assert rows(database, "select count(*) from usage_pending") == [(0,)]
    assert rows(database, "select sum(request_count) from usage_daily") == [(filled.calls,)]


def test_the_same_seed_and_end_give_the_same_rows(database: Database, filled: demo.Filled) -> None:
    before = rows(database, CONTENT)

    again = demo.fill(database, end=factories.NOW, weeks=WEEKS)
    after = rows(database, CONTENT)
    demo.fill(database, end=factories.NOW, weeks=WEEKS, seed=7)

    assert (again, after) == (filled, before)
    assert rows(database, CONTENT) != before
    assert rows(database, "select count(*) from clients") == [(3,)]


def test_the_usual_demo_has_a_trend_a_burst_and_a_quiet_week() -> None:
    # Without a database: the counts are drawn before anything is stored.
    profile = DEMO_CLIENTS[0]
    threads = history._conversations(profile, demo.DEFAULT_SEED, demo.DEFAULT_WEEKS)
    calls = history._calls(profile, threads, {}, demo.DEFAULT_SEED, factories.NOW, demo.DEFAULT_WEEKS)
    per_week = [0] * demo.DEFAULT_WEEKS
    for created_at, _ in calls:
        weeks_ago = (factories.NOW - created_at).days // 7
        per_week[weeks_ago] += 1

    assert sum(per_week[:4]) > 1.5 * sum(per_week[-4:])
    assert max(per_week) in per_week[1:4]
    assert min(per_week[:12]) in per_week[8:11]
    assert min(per_week[:12]) < 0.6 * per_week[6]


def test_real_clients_are_not_touched(database: Database) -> None:
    client_id = factories.client(database, name="Real")
    factories.insert_usage(database, factories.usage_log(client_id))

    with pytest.raises(InvalidInput, match=r'holds real clients \("Real"\).*--force'):
        demo.fill(database, end=factories.NOW, weeks=WEEKS)
    assert rows(database, "select name from clients") == [("Real",)]

    filled = demo.fill(database, end=factories.NOW, weeks=WEEKS, force=True)

    assert rows(database, "select count(*) from clients") == [(4,)]
    assert rows(database, "select count(*) from usage_logs") == [(filled.calls + 1,)]


def test_two_at_once_take_turns(database: Database) -> None:
    def fill(seed: int) -> demo.Filled:
        own = Database(database.url)
        try:
            return demo.fill(own, end=factories.NOW, weeks=1, seed=seed)
        finally:
            own.close()

    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(fill, [1, 2, 3]))

    ((calls,),) = rows(database, "select count(*) from usage_logs")
    assert calls in [answer.calls for answer in answers]
    assert rows(database, "select sum(request_count) from usage_daily") == [(calls,)]


def test_what_cannot_be(database: Database) -> None:
    with pytest.raises(InvalidInput, match="needs a time zone"):
        demo.fill(database, end=factories.NOW.replace(tzinfo=None))
    with pytest.raises(InvalidInput, match="weeks must be 1 or more, not 0"):
        demo.fill(database, end=factories.NOW, weeks=0)
