"""Demo clients: half a year of plausible use, for a first look and for screenshots.

Everything is drawn from one seeded generator per client, so that the same seed and end give the same rows.
The people and phone numbers are made up: the numbers lie in ranges that no operator hands out.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
from psycopg.types.json import Jsonb

from analytics import locks
from analytics.database import Database
from analytics.demo.calls import COLUMNS, ENVIRONMENTS, Conversation, TagSets, calls_of
from analytics.demo.profiles import DEMO_CLIENTS, DemoClient
from analytics.errors import InvalidInput

DEFAULT_SEED = 2026
DEFAULT_WEEKS = 26
RECENT_DAYS = 9


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What fill() wrote."""

    client_names: tuple[str, ...]
    conversations: int
    calls: int


def fill(
    database: Database,
    *,
    end: datetime,
    seed: int = DEFAULT_SEED,
    weeks: int = DEFAULT_WEEKS,
    force: bool = False,
) -> Filled:
    """Writes the demo clients with `weeks` of use up to `end`; no call is later.

    What demo clients there were is replaced, in one transaction; two calls at the same time take turns.
    Real clients are never touched, and their presence is refused unless `force`.

    Raises:
        InvalidInput: the database holds real clients, or `end` has no time zone.
        DatabaseError
    """
    if end.tzinfo is None:
        raise InvalidInput(f"the end of the demo needs a time zone, {end} has none")
    if weeks < 1:
        raise InvalidInput(f"weeks must be 1 or more, not {weeks}")
    conversations = calls = 0
    with database.transaction() as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [locks.DEMO])
        if not force:
            _refuse_real_clients(connection, database)
        connection.execute("delete from clients where is_demo")
        for profile in DEMO_CLIENTS:
            threads = _conversations(profile, seed, weeks)
            connection.execute(
                "insert into clients (id, name, timezone, is_demo, created_at) values (%s, %s, %s, true, %s)",
                [profile.id, profile.name, profile.timezone, end - timedelta(weeks=weeks)],
            )
            conversations += _copy_conversations(connection, profile, threads, end, weeks)
            tag_sets = _intern_tags(connection, profile)
            calls += _copy_calls(connection, _calls(profile, threads, tag_sets, seed, end, weeks))
    database.fold()
    return Filled(
        client_names=tuple(profile.name for profile in DEMO_CLIENTS), conversations=conversations, calls=calls
    )


def lines_of(
    profile: DemoClient, *, end: datetime, seed: int = DEFAULT_SEED, weeks: int = DEFAULT_WEEKS
) -> Iterator[tuple[datetime, str]]:
    """When each call of a client was made, and its line (see COLUMNS), without tags; no database."""
    return _calls(profile, _conversations(profile, seed, weeks), {}, seed, end, weeks)


def _refuse_real_clients(connection: "psycopg.Connection[Any]", database: Database) -> None:
    names = [
        name for (name,) in connection.execute("select name from clients where not is_demo order by name")
    ]
    if names:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise InvalidInput(
            f'{database.place} holds real clients ("{names[0]}"{others}): use another database for the demo, '
            "or add the demo clients beside them with --force"
        )


def _copy_conversations(
    connection: "psycopg.Connection[Any]",
    profile: DemoClient,
    threads: list[Conversation],
    end: datetime,
    weeks: int,
) -> int:
    start = end - timedelta(weeks=weeks)
    with (
        connection.cursor() as cursor,
        cursor.copy("copy conversations (client_id, id, phone, name, created_at) from stdin") as copy,
    ):
        for thread in threads:
            created_at = min(start + timedelta(days=thread.first_day), end)
            copy.write_row((profile.id, thread.id, thread.phone, thread.name, created_at))
    return len(threads)


def _intern_tags(connection: "psycopg.Connection[Any]", profile: DemoClient) -> TagSets:
    tag_sets = {}
    for feature, team in profile.teams.items():
        for environment in ENVIRONMENTS:
            tags = {"feature": feature, "team": team}
            # The application of the last one does not say where it runs.
            if feature != list(profile.teams)[-1]:
                tags["environment"] = environment
            row = connection.execute("select intern_tags(%s, %s)", [profile.id, Jsonb(tags)]).fetchone()
            assert row is not None
            tag_sets[feature, environment] = row[0]
    return tag_sets


def _copy_calls(connection: "psycopg.Connection[Any]", calls: Iterator[tuple[datetime, str]]) -> int:
    with connection.cursor() as cursor:
        with cursor.copy(f"copy usage_logs ({COLUMNS}) from stdin") as copy:
            for _, line in calls:
                copy.write(line)
        return cursor.rowcount


def _conversations(profile: DemoClient, seed: int, weeks: int) -> list[Conversation]:
    """People with a long tail: a few write every day, most come for a week or two."""
    chance = random.Random(f"{seed}/{profile.id}/conversations")
    days = weeks * 7
    threads = []
    names = chance.sample(
        [f"{given} {family}" for given in profile.given_names for family in profile.family_names],
        k=profile.conversation_count,
    )
    for rank in range(profile.conversation_count):
        is_regular = rank < profile.conversation_count // 12
        first_day = 0 if is_regular else chance.randrange(-20, days - 1)
        lasts = days if is_regular else 3 + int(chance.expovariate(1 / 24))
        threads.append(
            Conversation(
                id=UUID(int=chance.getrandbits(128), version=4).hex,
                phone=profile.phone(rank),
                name=names[rank],
                first_day=max(first_day, 0),
                last_day=first_day + lasts,
                weight=1 / (rank + 4) ** 0.75,
            )
        )
    return threads


def _calls(
    profile: DemoClient,
    threads: list[Conversation],
    tag_sets: TagSets,
    seed: int,
    end: datetime,
    weeks: int,
) -> Iterator[tuple[datetime, str]]:
    """When each call was made, and its line, day by day in the client's own time zone."""
    chance = random.Random(f"{seed}/{profile.id}/calls")
    zone = ZoneInfo(profile.timezone)
    days = weeks * 7
    last_date = end.astimezone(zone).date()
    for day in range(days):
        local_date = last_date - timedelta(days=days - 1 - day)
        progress = day / (days - 1)
        count = _calls_of_day(profile, local_date, last_date, progress, chance)
        uses = list(accumulate(use.share_at(progress) for use in profile.models))
        active = [thread for thread in threads if thread.first_day <= day <= thread.last_day]
        weights = list(accumulate(thread.weight for thread in active))
        hours = chance.choices(range(24), cum_weights=profile.cumulative_hours(local_date), k=count)
        callers = chance.choices(active, cum_weights=weights, k=count) if active else [None] * count
        made_with = chance.choices(profile.models, cum_weights=uses, k=count)
        hour_starts = [
            datetime.combine(local_date, time(hour), tzinfo=zone).astimezone(UTC) for hour in range(24)
        ]
        for hour, caller, use in zip(hours, callers, made_with, strict=True):
            created_at = hour_starts[hour] + timedelta(seconds=round(chance.random() * 3600, 3))
            # Drawn before the call is dropped: a later end of the same day only adds calls.
            for at, line in calls_of(
                profile, caller, use, created_at, tag_sets, chance, is_recent=days - day <= RECENT_DAYS
            ):
                if created_at <= end:
                    yield at, line


def _calls_of_day(
    profile: DemoClient, local_date: date, last_date: date, progress: float, chance: random.Random
) -> int:
    growth: float = profile.growth ** (progress - 1)
    weekday = local_date.weekday()
    rhythm = profile.weekdays[weekday]
    weeks_ago = (_monday(last_date) - _monday(local_date)).days // 7
    if weeks_ago == profile.quiet_weeks_ago:
        rhythm *= profile.quiet_factor
    elif weeks_ago == profile.burst_weeks_ago and weekday in (1, 2):
        rhythm *= profile.burst_factor
    return round(profile.calls_per_day * growth * rhythm * chance.uniform(0.86, 1.14))


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
