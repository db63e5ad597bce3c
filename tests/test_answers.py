"""How calls ended and how long they took: equal to what the calls say, under any filter, and by any way."""

from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.database import Database
from analytics.days import Days
from analytics.pricing.cache_savings import cache_savings
from analytics.pricing.price_list import ListedPrice, PriceList
from analytics.queries import Filters, call_times, load_answers
from analytics.queries.ranges import slowest_from
from tests import factories
from tests.factories import NOW

DAYS = Days(NOW.date() - timedelta(days=6), NOW.date())

CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "days_ago": st.integers(0, 8),
            "hour": st.integers(0, 11),
            "model": st.sampled_from(["a", "b", None]),
            "outcome": st.sampled_from(["ok", "error", "cut", "refused", None]),
            "latency_ms": st.one_of(st.none(), st.integers(0, 100_000)),
            "time_to_first_token_ms": st.one_of(st.none(), st.integers(0, 5_000)),
            "operation_id": st.sampled_from([None, "x", "y"]),
            "attempt": st.one_of(st.none(), st.integers(1, 3)),
            "cached_tokens": st.one_of(st.none(), st.integers(0, 150)),
        }
    ),
    max_size=12,
)
FILTERS = st.sampled_from(
    [{}, {"model": "a"}, {"model!": "a,"}, {"outcome": "ok,"}, {"provider!": "groq", "outcome!": "error"}]
)


def is_wanted(call: dict[str, Any], filters: dict[str, str]) -> bool:
    for name, text in filters.items():
        values, key = text.split(","), name.removesuffix("!")
        value = call.get(key, "openai") or ""
        if (value in values) == name.endswith("!"):
            return False
    return True


def within(found: Decimal | None, exact: int | None) -> bool:
    if found is None or exact is None:
        return (found is None) == (exact is None)
    return abs(float(found) - max(exact, 1)) <= 0.0205 * max(exact, 1)


def percentile(values: list[int], share: float) -> int | None:
    ordered = sorted(values)
    if not ordered:
        return None
    return next(
        value
        for place, value in enumerate(ordered, 1)
        if Decimal(place) >= Decimal(str(share)) * len(ordered)
    )


@given(CALLS, FILTERS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_all_that_is_told_equals_the_calls(
    database: Database, calls: list[dict[str, Any]], filters: dict[str, str]
) -> None:
    client_id = factories.client(database, f"Client {UUID(int=len(calls))}")
    rows = []
    for call in calls:
        columns = dict(call)
        at = NOW.replace(hour=columns.pop("hour")) - timedelta(days=columns.pop("days_ago"))
        rows.append(factories.usage_log(client_id, created_at=at, cost_usd=Decimal("0.01"), **columns))
    factories.insert_usage(database, *rows)
    chosen = Filters.parse(filters)
    wanted = [call for call in calls if call["days_ago"] <= 6 and is_wanted(call, filters)]

    answers = load_answers(database, client_id, DAYS, filters=chosen)
    found = call_times(database, client_id, DAYS, filters=chosen)

    outcomes = Counter((call["model"], call["outcome"]) for call in wanted)
    told: Counter[Any] = Counter()
    for row in answers.facts.to_dict("records"):
        told[row["model"], row["outcome"]] += row["request_count"]
    assert told == outcomes
    hours = Counter((call["hour"], call["outcome"]) for call in wanted)
    assert {
        (row["hour"], row["outcome"]): row["request_count"] for row in answers.by_hour.to_dict("records")
    } == hours
    assert answers.facts["retry_count"].sum() == sum((call["attempt"] or 1) > 1 for call in wanted)

    answered = [call for call in wanted if call["outcome"] != "error"]
    by_model, by_hour = defaultdict(list), defaultdict(list)
    for call in answered:
        if call["latency_ms"] is not None:
            by_model[call["model"]].append(call["latency_ms"])
            by_hour[call["hour"]].append(call["latency_ms"])
    times = answers.times
    everything = [value for values in by_model.values() for value in values]
    for kind in ("model", "all"):
        for row in times[times["kind"] == kind].to_dict("records"):
            values = by_model[row["model"]] if kind == "model" else everything
            assert row["request_count"] == len(values)
            for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
                assert within(row[name], percentile(values, share))
    rows_of_hours = found.by_hour.to_dict("records")
    assert {row["hour"]: row["request_count"] for row in rows_of_hours if row["request_count"]} == {
        hour: len(values) for hour, values in by_hour.items()
    }
    for row in rows_of_hours:
        assert within(row["p95_ms"], percentile(by_hour[row["hour"]], 0.95))

    # A later attempt of the day or of the next one replaces an answer, wanted or not.
    replaced = [
        call
        for call in wanted
        if call["outcome"] in ("ok", None)
        and any(
            later["operation_id"] == call["operation_id"] is not None
            and later["days_ago"] in (call["days_ago"], call["days_ago"] - 1)
            and (later["attempt"] or 0) > (call["attempt"] or 9)
            for later in calls
        )
    ]
    assert Counter(call["model"] for call in replaced) == Counter(
        {row["model"]: row["replaced_count"] for row in found.attempts.to_dict("records")}
    )


def test_an_operation_over_midnight_is_one(database: Database, acme: UUID) -> None:
    """Days are read by themselves here, and the attempt that replaces another is the next day's."""
    midnight = NOW.replace(hour=0)
    for minutes, attempt, model in ((-5, 1, "first"), (5, 2, "second")):
        factories.insert_usage(
            database,
            factories.usage_log(
                acme, created_at=midnight + timedelta(minutes=minutes), attempt=attempt, model=model,
                operation_id="a", outcome="ok", cost_usd=Decimal(attempt),
            ),
        )  # fmt: skip
    told: list[int] = []

    found = call_times(database, acme, Days.until(NOW.date(), 3), report=told.append)

    assert told == [1, 2, 3]
    attempts = found.attempts.set_index("model")
    assert attempts["replaced_count"].to_dict() == {"first": 1, "second": 0}
    assert attempts["replaced_cost"].to_dict() == {"first": 1, "second": 0}


def usage(**sums: Any) -> dict[str, Any]:
    return {
        "usage_date": date(2026, 3, 5),
        "source": "own",
        "model": "m",
        "request_count": 1,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 0,
        "duration_seconds": Decimal(0),
        **dict.fromkeys(
            (
                *("cached_tokens", "cache_write_tokens", "cache_write_1h_tokens", "reasoning_tokens"),
                *("prompt_audio_tokens", "cached_audio_tokens", "completion_audio_tokens"),
                *("prompt_image_tokens", "cached_image_tokens", "completion_image_tokens"),
                *("character_count", "image_count", "web_search_count", "file_search_count"),
                "code_run_count",
            ),
            0,
        ),
        **sums,
    }


def price(**columns: Any) -> ListedPrice:
    return ListedPrice(
        **{
            "client_id": None,
            "source": "own",
            "model": "m",
            "unit": "1M tokens",
            "input_usd": Decimal(10),
            "output_usd": Decimal(20),
            **columns,
        }
    )


def test_a_cache_saves_the_difference_of_two_rates_and_writing_costs_another() -> None:
    prices = PriceList(
        [price(cached_input_usd=Decimal(1), cache_write_usd=Decimal("12.5"), audio_input_usd=Decimal(100),
               cached_audio_usd=Decimal(20))]
    )  # fmt: skip
    [line] = cache_savings(
        [
            usage(
                prompt_tokens=1000, completion_tokens=10, total_tokens=1010, cached_tokens=500,
                cache_write_tokens=200, prompt_audio_tokens=100, cached_audio_tokens=50,
            ),
            usage(prompt_tokens=1000, total_tokens=1000, cached_tokens=100),
        ],
        prices,
    )  # fmt: skip
    # 450 and 100 of text at 9 dollars a million less, 50 of audio at 80; 200 written at 2.5 more.
    assert line.saved_usd == (Decimal(550 * 9) + 50 * 80) / 1_000_000
    assert line.written_usd == Decimal(200) * Decimal("2.5") / 1_000_000
    assert (line.cached_tokens, line.is_exact) == (600, True)


def test_a_cache_without_a_rate_of_its_own_saves_nothing_and_one_without_a_price_is_unknown() -> None:
    row = usage(prompt_tokens=1000, total_tokens=1000, cached_tokens=500)
    [line] = cache_savings([row], PriceList([price()]))
    assert line.saved_usd == 0
    [line] = cache_savings([row | {"source": "nobody"}], PriceList())
    assert (line.saved_usd, line.written_usd) == (None, None)


def test_the_price_of_each_day_counts() -> None:
    later = NOW - timedelta(days=1)
    prices = PriceList(
        [
            price(cached_input_usd=Decimal(5), effective_until=later),
            price(cached_input_usd=Decimal(0), effective_from=later),
        ]
    )
    row = usage(prompt_tokens=1000, total_tokens=1000, cached_tokens=1000)
    [line] = cache_savings([row, row | {"usage_date": NOW.date()}], prices)
    assert line.saved_usd == Decimal(1000 * 5 + 1000 * 10) / 1_000_000


def test_a_percentile_opens_its_whole_step(database: Database) -> None:
    """The range of its way begins with the first millisecond of its bucket, whatever was rounded."""
    with database.transaction() as connection:
        steps = connection.execute(
            """
            select latency_of_bucket(bucket), min(ms)
            from (
                select ms, latency_bucket(ms) as bucket
                from generate_series(0, 200000) as ms
            ) as milliseconds
            group by bucket
            """
        ).fetchall()
    assert len(steps) > 200
    assert [step for step in steps if slowest_from(step[0]) != f"{step[1]}.."] == []
