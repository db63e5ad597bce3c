"""What is spent of a budget: exactly the calls of its period, counted whenever it is asked for."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from analytics.database import Database
from tests import factories
from tests.clones import Clones

ZONES = ("UTC", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana", "Pacific/Apia")
MODELS = ("gpt-4", "gpt-4o")
FIRST = datetime(2024, 2, 20, tzinfo=UTC)
"""Before a leap day, and before clocks are set in Havana and on Lord Howe."""


def period_of(period: str, start_day: int, today: date) -> tuple[date, date]:
    """The first day of the period that a day is in, and that of the next: day by day, the plain way."""

    def begins(day: date) -> bool:
        last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        return {
            "day": True,
            "week": day.isoweekday() == start_day,
            "month": day.day == min(start_day, last.day),
            "quarter": day.day == 1 and day.month in (1, 4, 7, 10),
            "year": day.day == 1 and day.month == 1,
        }[period]

    first, end = today, today + timedelta(days=1)
    while not begins(first):
        first -= timedelta(days=1)
    while not begins(end):
        end += timedelta(days=1)
    return first, end


def begin_of(day: date, zone: str) -> datetime:
    """The first moment of a day: the first of all minutes that are of it."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    while moment.astimezone(ZoneInfo(zone)).date() < day:
        moment += timedelta(minutes=15)
    return moment


@pytest.fixture(scope="module")
def kept(clones: Clones, migrated_template: str) -> Iterator[Database]:
    with clones.copy(migrated_template) as database:
        yield database


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    zone=st.sampled_from(ZONES),
    period=st.sampled_from(("day", "week", "month", "quarter", "year")),
    start_day=st.integers(1, 31),
    now=st.integers(0, 2_192 * 24 * 60),
)
def test_periods_are_those_of_the_calendar(
    kept: Database, zone: str, period: str, start_day: int, now: int
) -> None:
    moment = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=now)
    start_day = {"week": (start_day - 1) % 7 + 1, "month": start_day}.get(period, 1)
    [(first, end, starts_at, resets_at)] = factories.call(
        kept, "*", "budget_period", period, start_day, zone, moment
    )

    assert (first, end) == period_of(period, start_day, moment.astimezone(ZoneInfo(zone)).date())
    assert (starts_at, resets_at) == (begin_of(first, zone), begin_of(end, zone))
    assert starts_at <= moment < resets_at


calls = st.lists(
    st.tuples(
        st.integers(0, 45 * 24 * 4),  # quarters of an hour after FIRST
        st.sampled_from(MODELS),
        st.sampled_from((None, "a", "b")),
        st.integers(0, 900),
        st.sampled_from(("priced", "unpriced")),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    calls=calls,
    zones=st.tuples(st.sampled_from(ZONES), st.sampled_from((None, *ZONES))),
    period=st.sampled_from(("day", "week", "month", "quarter")),
    model=st.sampled_from((None, *MODELS)),
    split_by=st.sampled_from((None, "user")),
    now=st.integers(0, 45 * 24 * 60),
    folded=st.integers(0, 25),
)
def test_spent_is_what_the_calls_of_the_period_come_to(
    kept: Database,
    calls: list[tuple[int, str, str | None, int, str]],
    zones: tuple[str, str | None],
    period: str,
    model: str | None,
    split_by: str | None,
    now: int,
    folded: int,
) -> None:
    client_id = factories.client(kept, timezone=zones[0])
    sets = {None: None} | {user: _tag_set(kept, client_id, user) for user in ("a", "b")}
    rows = [
        factories.usage_log(
            client_id,
            model=of_model,
            tag_set_id=sets[user],
            prompt_tokens=amount,
            cost_usd=Decimal(amount if basis == "priced" else 0) / 7_000,
            cost_basis=basis,
            created_at=FIRST + quarter * timedelta(minutes=15),
        )
        for quarter, of_model, user, amount, basis in calls
    ]
    factories.insert_usage(kept, *rows[:folded])
    kept.fold()
    factories.insert_usage(kept, *rows[folded:])
    filters = [] if model is None else [{"name": "model", "values": [model], "excluded": False}]
    budget_id = factories.budget(
        kept, client_id, period=period, time_zone=zones[1], filters=filters, split_by=split_by
    )
    moment = FIRST + timedelta(minutes=now)

    answered = factories.call(
        kept,
        "budget_id, subject, spent, total_tokens, request_count, unpriced_count, limit_amount",
        "get_budgets",
        client_id,
        moment,
    )

    zone = ZoneInfo(zones[1] or zones[0])
    today = moment.astimezone(zone).date()
    first, _ = period_of(period, 1, today)
    expected: dict[str | None, list[object]] = {None if split_by else "": [0, 0, 0, 0]}
    for row, (_, of_model, user, _, basis) in zip(rows, calls, strict=True):
        if first <= row["created_at"].astimezone(zone).date() <= today and model in (None, of_model):
            sums = expected.setdefault(user if split_by else "", [0, 0, 0, 0])
            more = (row["cost_usd"].quantize(Decimal(1).scaleb(-10)), row["total_tokens"], 1)
            sums[:] = [
                *(before + each for before, each in zip(sums[:3], more, strict=True)),  # type: ignore[operator]
                sums[3] + (basis == "unpriced"),  # type: ignore[operator]
            ]
    assert {subject: [float(spent), *counts] for _, subject, spent, *counts, _ in answered} == {
        subject: [pytest.approx(float(sums[0]), abs=1e-9), *sums[1:]]  # type: ignore[arg-type]
        for subject, sums in expected.items()
    }
    assert {of for of, *_ in answered} == {budget_id}
    assert {subject for _, subject, *_, limit in answered if limit is None} == ({None} if split_by else set())


def test_all_clients_together(database: Database) -> None:
    ids = [
        factories.client(database, name, timezone=zone)
        for name, zone in (("Acme", "UTC"), ("Other", "Asia/Kolkata"))
    ]
    # Half past six of 18 March in India is one in the morning in UTC.
    at = [datetime(2026, 3, 17, 23, tzinfo=UTC), datetime(2026, 3, 18, 1, tzinfo=UTC)]
    for client_id in [*ids, None]:
        factories.insert_usage(
            database,
            *(factories.usage_log(client_id, created_at=moment, cost_usd=1) for moment in at),  # type: ignore[arg-type]
        )
    factories.budget(database, None, period="day", time_zone="UTC")

    [(spent, count)] = factories.call(database, "spent, request_count", "get_budgets", None, factories.NOW)

    assert (spent, count) == (3, 3)


def _tag_set(database: Database, client_id: UUID, user: str) -> int:
    with database.transaction() as connection:
        found = connection.execute(
            "select intern_tags(%s, %s)", [client_id, Jsonb({"user": user})]
        ).fetchone()
    assert found is not None
    return int(found[0])
