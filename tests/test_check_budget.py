"""check_budget(): the answer is that of get_budgets(), from memory, and nothing that goes wrong is raised."""

import multiprocessing
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

import analytics
from analytics.budgets import change_budget, checking, create_budget
from analytics.budgets.judging import judge
from analytics.budgets.plans import BudgetPlan
from analytics.budgets.status import read_rules
from analytics.calls.validation import scope_names, typed_tags
from analytics.database import Database
from analytics.queries import Filters
from tests import factories
from tests.test_budgets import make

NOW = factories.NOW
WAIT = 30.0


@pytest.fixture(autouse=True)
def nothing_is_read_yet() -> Any:
    yield
    checking.stop_checking()


def answer_at(
    database: Database, client_id: UUID, now: datetime = NOW, *, later: timedelta = timedelta(0), **call: Any
) -> analytics.BudgetAnswer:
    """What is answered by the sums of `now`, a while later."""
    tags = typed_tags(call.pop("tags", {}))
    call = {"provider": None, "model": None, "operation": None, "conversation_id": None} | call
    rules = read_rules(database, client_id, now)
    names = scope_names(client_id, tags=tags, **call)
    return judge(rules, names, (now + later).timestamp(), later.total_seconds())


def test_a_budget_that_is_used_up_refuses_until_it_resets(database: Database) -> None:
    client_id = factories.client(database)
    make(database, client_id, limit_amount=Decimal(10), period="day")
    factories.insert_usage(database, *(factories.usage_log(client_id, cost_usd=6) for _ in range(2)))

    refused = answer_at(database, client_id)

    assert not refused
    assert refused.reason == '"All" is used up: $12.00 of $10.00 spent; it resets Thu 19 Mar 00:00 UTC'
    assert refused.until == datetime(2026, 3, 19, tzinfo=UTC)
    assert (refused.budget, refused.age_seconds, refused.possible_overshoot_usd) == ("All", 0, 0)
    # By the same sums: the day is over.
    assert answer_at(database, client_id, later=timedelta(hours=12))
    # 12 dollars in the half of a day.
    assert answer_at(database, client_id, later=timedelta(hours=1)).possible_overshoot_usd == pytest.approx(1)


@pytest.mark.parametrize(
    ("filters", "call", "counts"),
    [
        ({}, {}, True),
        ({"model": "gpt-4"}, {"model": "gpt-4"}, True),
        ({"model": "gpt-4"}, {"model": "gpt-4o"}, False),
        ({"model": "gpt-4"}, {}, False),
        ({"model": ""}, {}, True),
        ({"model!": "gpt-4"}, {"model": "gpt-4o"}, True),
        ({"model!": "gpt-4"}, {"model": "gpt-4"}, False),
        ({"provider": "openai"}, {"provider": "OpenAI"}, True),
        ({"operation": "chat"}, {"operation": "chat", "model": "x"}, True),
        ({"operation": "chat", "model": "y"}, {"operation": "chat", "model": "x"}, False),
        ({"tag.team": "a,b"}, {"tags": {"team": "b", "user": "u"}}, True),
        ({"tag.team": "1"}, {"tags": {"team": 1}}, True),
        ({"tag.team": "1"}, {"tags": {"team": True}}, False),
        ({"tag.team": "true"}, {"tags": {"team": True}}, True),
        ({"conversation": str(UUID(int=7))}, {"conversation_id": UUID(int=7)}, True),
        ({"conversation": str(UUID(int=7))}, {"conversation_id": "invoice 17"}, False),
    ],
)
def test_which_budgets_count_a_call(
    database: Database, filters: dict[str, str], call: dict[str, Any], counts: bool
) -> None:
    client_id = factories.client(database)
    make(database, client_id, filters=Filters.parse(filters))

    assert (answer_at(database, client_id, **call).budget == "All") is counts


def test_each_value_of_a_split_budget_is_on_its_own(database: Database) -> None:
    client_id = factories.client(database)
    make(database, client_id, limit_amount=Decimal(5), split_by="user")
    with database.transaction() as connection:
        connection.execute("""select intern_tags(%s, '{"user": "ada"}')""", [client_id])
    factories.insert_usage(
        database,
        factories.usage_log(client_id, cost_usd=5, tag_set_id=1),
        factories.usage_log(client_id, cost_usd=500),
    )

    assert not answer_at(database, client_id, tags={"user": "ada"})
    assert answer_at(database, client_id, tags={"user": "bob"})
    assert answer_at(database, client_id)


def test_a_budget_of_all_clients_binds_each(database: Database) -> None:
    acme, other = factories.client(database), factories.client(database, "Other")
    plan = BudgetPlan(limit_amount=Decimal(1_000), unit="tokens", time_zone="UTC")
    create_budget(database, None, "Everybody", plan, by="ada", now=NOW)
    factories.insert_usage(database, factories.usage_log(acme, prompt_tokens=1_000, completion_tokens=0))

    for client_id in (acme, other, uuid4()):
        assert answer_at(database, client_id).reason.startswith(
            '"Everybody" is used up: 1,000 tokens of 1,000 tokens spent'
        )


def test_the_budget_that_resets_last_decides(database: Database) -> None:
    client_id = factories.client(database)
    for period in ("day", "year", "week"):
        make(database, client_id, period, period=period, limit_amount=Decimal(1))
    factories.insert_usage(database, factories.usage_log(client_id, cost_usd=2))

    assert answer_at(database, client_id).until == datetime(2027, 1, 1, tzinfo=UTC)


def test_the_thread_reads_what_is_spent(
    tracker: None, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "REFRESH_SECONDS", 0.01)
    client_id = factories.client(database)
    now = datetime.now(UTC)
    plan = BudgetPlan(limit_amount=Decimal(10))
    budget_id = create_budget(database, client_id, "All", plan, by="ada", now=now)
    factories.insert_usage(database, factories.usage_log(client_id, cost_usd=4, created_at=now))

    first = analytics.check_budget(client_id, wait_seconds=WAIT)

    assert (first.is_allowed, first.reason) == (True, '"All": $4.00 of $10.00 spent')
    assert first.age_seconds is not None
    # What changes is seen, without a question in between that waits.
    lower = BudgetPlan(limit_amount=Decimal(3))
    change_budget(database, client_id, budget_id, lower, by="ada", now=datetime.now(UTC))
    end = time.monotonic() + WAIT
    while analytics.check_budget(str(client_id)) and time.monotonic() < end:
        pass
    refused = analytics.check_budget(client_id, wait_seconds=WAIT)
    assert analytics.check_budget(str(client_id)).reason.startswith('"All" is used up: $4.00 of $3.00 spent')
    assert refused.budget == "All"


def test_what_is_not_known_is_allowed_or_refused_as_asked(tmp_path: Any) -> None:
    analytics.configure(database_url="postgresql://127.0.0.1:1/away", directory=tmp_path)
    client_id = uuid4()

    opened = analytics.check_budget(client_id)
    closed = analytics.check_budget(client_id, closed=True, wait_seconds=WAIT)

    assert opened.is_allowed
    assert opened.age_seconds is None
    assert not closed
    assert closed.reason.startswith("the budgets cannot be read: ")
    analytics.close()


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ({"client_id": "acme"}, "client_id must be the UUID of a client"),
        ({"model": "a\0"}, "model"),
        ({"tags": {"a": ["b"]}}, "unhashable"),
        ({"tags": ["a"]}, "no attribute 'items'"),
    ],
)
def test_an_argument_that_cannot_be_is_told(call: dict[str, Any], reason: str) -> None:
    arguments = {"client_id": UUID(int=1)} | call

    assert reason in analytics.check_budget(**arguments).reason
    assert not analytics.check_budget(**arguments, closed=True)


def test_a_child_goes_on_by_itself(tracker: None, database: Database) -> None:
    client_id = factories.client(database)
    now = datetime.now(UTC)
    create_budget(database, client_id, "All", BudgetPlan(limit_amount=Decimal(3)), by="ada", now=now)
    factories.insert_usage(database, factories.usage_log(client_id, cost_usd=4, created_at=now))
    assert not analytics.check_budget(client_id, wait_seconds=WAIT)

    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_ask, args=(sender, client_id, factories.client(database, "Other")))
    child.start()

    assert receiver.poll(WAIT)
    assert receiver.recv() == (False, True)
    child.join(WAIT)
    assert not analytics.check_budget(client_id)


def _ask(sender: Any, client_id: UUID, other: UUID) -> None:
    kept = analytics.check_budget(client_id)
    read = analytics.check_budget(other, wait_seconds=WAIT)
    sender.send((kept.is_allowed, read.age_seconds is not None))
    sender.close()
