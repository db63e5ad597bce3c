"""Checks of one client's calls; they see no other client's."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TypedDict
from uuid import UUID

from analytics.database import Database, Query, Rows
from analytics.days import Days
from analytics.formatting import NO_BREAK_SPACE, NO_MODEL, counted, day, share, usd
from analytics.health.checks import Check, ago, span
from analytics.health.facts import (
    NEWEST_CALLS,
    OTHER_TAGS,
    fields_not_understood,
    metered_tokens,
    other_tags,
    spans_passed_over,
)
from analytics.health.prices import of_models, price_checks
from analytics.pricing.at_list_prices import at_list_prices
from analytics.pricing.book import PriceBook, load_price_book
from analytics.pricing.switch import list_in_use
from analytics.queries import (
    FIELDS_NOT_UNDERSTOOD,
    SUM_DIFFERENCES,
    USAGE_GAPS,
    PayerUnknown,
    Period,
    overview_queries,
    payers_unknown,
)
from analytics.queries.filters import NO, spelled
from analytics.tracking import metered, passed_over

RHYTHM_DAYS = 28
RHYTHM_DAYS_IN_LINK = 30
"""The period of a page that has them all."""
FEWEST_CALLS_FOR_A_RHYTHM = 10
SLOW_READ_SECONDS = 2.0

_EVER = """
    select
        min(usage_date) filter (where usage_date between '2000-01-01' and '2099-12-31'),
        max(usage_date) filter (where usage_date between '2000-01-01' and '2099-12-31'),
        coalesce(
            sum(request_count) filter (where usage_date between %(first_date)s and %(last_date)s), 0
        )::bigint
    from usage_daily
    where client_id = %(client_id)s and request_count <> 0
"""
# An abandoned source goes silent, too: after RHYTHM_DAYS it is not checked any more.
_RHYTHM = """
    select source, last_call_at, request_count, longest_pause
    from get_rhythm(%(client_id)s, %(now)s, %(rhythm_days)s)
"""
_UNPRICED = """
    select source, model, sum(unpriced_count)::bigint as unpriced_count
    from usage_daily
    where
        client_id = %(client_id)s
        and usage_date between %(first_date)s and %(last_date)s
        and unpriced_count > 0
    group by source, model
    order by unpriced_count desc, source, model
"""

SUM_DAYS_ANEW = (
    "insert into usage_days_to_sum select '{client_id}', day::date"
    " from generate_series(date '{first}', date '{last}', '1 day') as day on conflict do nothing"
)
"""What makes migrate add these days of a client up anew; of days before raw_since nothing is made anew."""


class _Calls(TypedDict):
    calls: Mapping[str, str]
    days: str


def client_checks(database: Database, client_id: UUID, days: Days, now: datetime) -> Sequence[Check]:
    """Checks of one client's calls on these days.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    parameters = {
        "client_id": client_id,
        "first_date": days.first,
        "last_date": days.last,
        "now": now,
        "rhythm_days": RHYTHM_DAYS,
    }
    ever, rhythm, unpriced, tags, unknown, gaps, fields = database.read(
        *(Query(statement=text, parameters=parameters) for text in (_EVER, _RHYTHM, _UNPRICED, OTHER_TAGS)),
        payers_unknown(client_id, len(days), days.last, now),
        USAGE_GAPS.query(**parameters),
        FIELDS_NOT_UNDERSTOOD.query(**parameters, limit=NEWEST_CALLS),
        client_id=client_id,
    )
    first_day, last_day, request_count = ever.records[0]
    book = load_price_book(database, client_id, days, now=now)
    return [
        _calls(client_id, days, first_day, last_day, request_count),
        *_silences(rhythm, now),
        _unpriced(unpriced, unknown, days, request_count),
        *price_checks(database, client_id, days, book.stated, request_count),
        _beside_public_list(book, now),
        _without_usage(gaps, request_count),
        fields_not_understood(fields),
        other_tags(tags, request_count),
        *spans_passed_over(passed_over.counted(str(client_id))),
        *metered_tokens(metered.told(str(client_id))),
        _speed(database, client_id, now),
    ]


def sums_check(database: Database, client_id: UUID, days: Days) -> Check:
    """Whether the sums of these days equal their calls. Reads all calls."""
    query = SUM_DIFFERENCES.query(client_id=client_id, first_date=days.first, last_date=days.last)
    [rows] = database.read(query, client_id=client_id)
    name = "Sums against the calls"
    if not rows.records:
        return Check(name=name, state="ok", finding=f"equal on each day {_from_to(days)}")
    first = next(SUM_DIFFERENCES.records(rows))
    return Check(
        name=name,
        state="fail",
        finding=f"{counted(len(rows.records), 'sum')} of a day and model differ. The first: "
        f"{first['source']} {first['model'] or NO_MODEL} on {day(first['usage_date'])} is "
        f"{counted(first['summed_count'], 'call')} and {first['summed_cost'].normalize():f} USD, while its "
        f"calls are {first['logged_count']:,} and {first['logged_cost'].normalize():f} USD",
        remedy="somebody changed the sums by hand, or deleted calls while triggers were off. Only where no "
        'call is missing: "python -m analytics migrate" makes the sums of these days anew after '
        f"{SUM_DAYS_ANEW.format(client_id=client_id, first=days.first, last=days.last)}",
        calls={"provider": spelled(first["source"]), "model": spelled(first["model"] or "")},
        days=str(Days(first["usage_date"], first["usage_date"])),
    )


def _calls(
    client_id: UUID,
    days: Days,
    first_day: date | None,
    last_day: date | None,
    request_count: int,
) -> Check:
    name = "Calls in these days"
    if first_day is None or last_day is None:
        return Check(
            name=name,
            state="fail",
            finding="this client has no calls",
            remedy="check that the application tracks its calls, with log_openai_usage(...) after each of "
            f"them, that it gives this client's id, {client_id}, and that it has the DATABASE_URL of this "
            'database; "python -m analytics spool" shows the calls that wait on this machine',
        )
    if not request_count:
        return Check(
            name=name,
            state="warn",
            finding=f"none {_from_to(days)}; there are some from {day(first_day)} to {day(last_day)}",
            remedy="choose other days, or check that the application still tracks its calls",
        )
    return Check(
        name=name,
        state="ok",
        finding=f"{counted(request_count, 'call')} {_from_to(days)}; the first one is of {day(first_day)}",
        calls={},
    )


def _from_to(days: Days) -> str:
    return f"from {day(days.first)} to {day(days.last)}"


def _silences(rhythm: Rows, now: datetime) -> Iterator[Check]:
    for source, last_call_at, request_count, longest_pause in rhythm.records:
        silence = now - last_call_at
        finding = f"{ago(last_call_at, now)}, {last_call_at.astimezone(UTC):%d %b, %H:%M} UTC"
        if request_count < FEWEST_CALLS_FOR_A_RHYTHM:
            reason = f"{counted(request_count, 'call')} in {RHYTHM_DAYS} days: too few to tell what is usual"
            yield Check(
                name=f"Last call of {source}", state="ok", finding=f"{finding}; {reason}", **_calls_of(source)
            )
            continue
        finding += (
            f"; its longest pause in {RHYTHM_DAYS} days was {span(longest_pause)}"
            if longest_pause > timedelta(hours=1)
            else f"; in {RHYTHM_DAYS} days there were calls in every hour"
        )
        is_silent = silence > 2 * longest_pause
        yield Check(
            name=f"Last call of {source}",
            state="warn" if is_silent else "ok",
            finding=finding,
            remedy=f"silent for much longer than usual: check that the application still calls {source} and "
            'tracks it, and look at "python -m analytics spool" on its machine'
            if is_silent
            else "",
            **_calls_of(source),
        )


def _calls_of(source: str) -> _Calls:
    """The calls that a rhythm is that of."""
    return {"calls": {"provider": spelled(source)}, "days": f"{RHYTHM_DAYS_IN_LINK}d"}


def _unpriced(unpriced: Rows, payer_unknown: Rows, days: Days, request_count: int) -> Check:
    name = "Calls without a price"
    total = sum(count for *_, count in unpriced.records)
    if not total:
        return Check(name=name, state="ok", finding="none: the cost of every call is known")
    models = ", ".join(f"{source} {model or NO_MODEL}" for source, model, _ in unpriced.records[:3])
    finding = (
        f"{counted(total, 'call')}, {share(total, request_count)} of all: {models}"
        f"{', ...' if len(unpriced.records) > 3 else ''}. Their cost is unknown, and missing from all sums"
    )
    remedies = [
        'add a price on the page "Prices", then run "python -m analytics reprice" for earlier calls; check '
        "that the model has the name that its provider uses"
    ]
    unknown = PayerUnknown(*payer_unknown.records[0])
    if unknown.request_count:
        finding += (
            f". Of the newest, {counted(unknown.request_count, 'call')} ({usd(unknown.worth_usd)} at list "
            "prices) are of a coding agent that does not say whether a subscription pays"
        )
        remedies = [
            "say usage.plan=max, or none where tokens are paid for, where the agent runs (docs/connect.md); "
            f'calls that are here follow by "python -m analytics reprice --client NAME --from {days.first} '
            f'--to {days.last} --plan max --apply", or --plan none',
            *([f"for the others {remedies[0]}"] if unknown.request_count < total else []),
        ]
    return Check(
        name=name,
        state="warn",
        finding=finding,
        remedy="; ".join(remedies),
        calls={"basis": "unpriced"},
    )


def _beside_public_list(book: PriceBook, now: datetime) -> Check:
    name = "Prices beside the public list"
    if not (at_list := at_list_prices(book.own_priced)):
        return Check(
            name=name, state="ok", finding="no call of these days has another price than the public one"
        )
    booked_usd = sum((line.booked_usd for line in book.own_priced), Decimal(0))
    names = [f"{line.source} {line.model or NO_MODEL}" for line in book.own_priced]
    finding = (
        f"{counted(sum(line.request_count for line in book.own_priced), 'call')} of {', '.join(names[:3])}"
        f"{', ...' if len(names) > 3 else ''} with another price: booked with {usd(booked_usd)}, "
        f"{at_list.amount.replace(NO_BREAK_SPACE, ' ')} at list prices"
    )
    free = [price.source for price in list_in_use(book.entries, now).guide if not price.input_usd]
    is_by_guide = any(line.is_free and line.source in free for line in book.own_priced)
    if is_by_guide:
        finding += ". In the guide's list Groq is free, as on Groq's free plan"
    return Check(
        name=name,
        state="warn" if is_by_guide else "ok",
        finding=finding,
        remedy='on a paid plan, run "python -m analytics prices use public" or use the page "Prices"; on the '
        "free plan, add a price of 0 of your own for all models of groq there, which confirms it"
        if is_by_guide
        else "",
        calls=of_models(book.own_priced),
        page="prices",
    )


def _without_usage(gaps: Rows, request_count: int) -> Check:
    name = "Calls without usage"
    counts = {row["source"]: row["zero_token_count"] for row in USAGE_GAPS.records(gaps)}
    total = sum(counts.values())
    if not total:
        return Check(name=name, state="ok", finding="none: every call tells what it used, or failed")
    sources = ", ".join(f"{count:,} of {source}" for source, count in counts.items() if count)
    return Check(
        name=name,
        state="warn",
        finding=f"{counted(total, 'call')}, {share(total, request_count)} of all, have neither tokens nor "
        f"another meter, and did not fail: {sources}",
        remedy="log response.usage as the provider answers it; streams tell it only with "
        'stream_options={"include_usage": True}',
        calls={"has.usage": NO},
    )


def _speed(database: Database, client_id: UUID, now: datetime) -> Check:
    questions = overview_queries(client_id, Period(days=30), now)
    began = time.perf_counter()
    database.read(*questions, client_id=client_id)
    seconds = time.perf_counter() - began
    is_slow = seconds > SLOW_READ_SECONDS
    return Check(
        name="Reading the Overview",
        state="warn" if is_slow else "ok",
        finding=f"its {len(questions)} queries of 30 days took {seconds * 1000:,.0f} ms, network included",
        remedy='run "python -m analytics fold"; look at the network, the indexes and the slowest queries; '
        "choose fewer days"
        if is_slow
        else "",
        page="",
    )
