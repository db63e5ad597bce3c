"""Gives calls, conversations and their sums a person's pseudonyms, all of a conversation in one transaction.

A call goes from one conversation to another by an update, which the sums follow by themselves, as for every
writer. What is left of the old one's sums is of calls that are gone, and is added to the new one's.
"""

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from analytics import locks
from analytics.people.person import IS_TAGGED_ALONE, Person
from analytics.people.pseudonyms import KEPT_KEYS, Pseudonyms
from analytics.people.within import HOLDS, looked_for

ROUNDS = 5
"""So often what writers commit in the meantime is erased as well, before they are asked to wait."""
TAGGED_BATCH = 10_000

# Before the rows, and those before the sums: the order of all who take several.
_LOCK_CORRECTIONS = "select pg_advisory_xact_lock(hashtextextended(%(client_id)s::text, %(corrections)s))"
_SHARE_TIMEZONE = "select pg_advisory_xact_lock_shared(timezone_lock(%(client_id)s))"
_TAKE_TIMEZONE = "select pg_advisory_xact_lock(timezone_lock(%(client_id)s))"
_LOCK_ROLLUPS = "select pg_advisory_xact_lock(rollup_lock())"

_METADATA: LiteralString = f"""
    jsonb_build_object('erased', %(label)s::text)
    || coalesce(
        (
            select jsonb_object_agg(part.key, part.value)
            from jsonb_each(
                case when jsonb_typeof(log.metadata) = 'object' then log.metadata else '{{}}' end
            ) as part (key, value)
            where part.key = any(%(kept_keys)s::text[]) and not {HOLDS.format(text="part.value::text")}
        ),
        '{{}}'
    )
"""  # noqa: S608 - constants of this room
# What an id of the provider's or of the application's leads to is not here to be forgotten. Attempts at one
# operation stay together.
_FACTS: LiteralString = f"""
    metadata = {_METADATA},
    response_id = null,
    operation_id = left(encode(sha256(convert_to(%(salt)s || log.operation_id, 'UTF8')), 'hex'), 32)
"""
_ERASE_CALLS: LiteralString = f"""
    with touched as (
        select
            log.id,
            renamed.new_id as conversation_id,
            coalesce(pseudonym.new_phone, log.phone) as phone
        from usage_logs as log
        left join unnest(%(old_ids)s::uuid[], %(new_ids)s::uuid[]) as renamed (old_id, new_id)
            on renamed.old_id = log.conversation_id
        left join unnest(%(old_phones)s::text[], %(new_phones)s::text[]) as pseudonym (old_phone, new_phone)
            on pseudonym.old_phone = log.phone
        where
            log.client_id = %(client_id)s
            and (
                log.conversation_id = any(%(old_ids)s::uuid[])
                or log.conversation_id is null and log.phone = any(%(lone_phones)s::text[])
            )
        order by log.id
        for no key update of log
    )

    update usage_logs as log
    set
        conversation_id = touched.conversation_id,
        phone = touched.phone,
        {_FACTS}
    from touched
    where log.client_id = %(client_id)s and log.id = touched.id
"""  # noqa: S608 - constants of this file
_ERASE_TAGGED: LiteralString = f"""
    with touched as (
        select id
        from usage_logs
        where {IS_TAGGED_ALONE}
        order by id
        limit %(batch)s
        for no key update
    )

    update usage_logs as log
    set {_FACTS}
    from touched
    where log.client_id = %(client_id)s and log.id = touched.id
"""  # noqa: S608 - constants of this file

_NEW_PHONE: LiteralString = """
    coalesce(
        (
            select pseudonym.new_phone
            from unnest(%(old_phones)s::text[], %(new_phones)s::text[]) as pseudonym (old_phone, new_phone)
            where pseudonym.old_phone = known.phone
        ),
        known.phone
    )
"""
# First all of them, so that the next statement sees what writers did until then.
_LOCK_CONVERSATIONS = """
    select
    from conversations
    where client_id = %(client_id)s and id = any(%(old_ids)s::uuid[])
    order by id
    for update
"""
# One that came back while it was erased is dropped: it is there already, as is its phone.
_RENAME_CONVERSATIONS: LiteralString = f"""
    update conversations as known
    set
        id = renamed.new_id,
        phone = case
            when not exists (
                select from conversations as there
                where
                    there.client_id = %(client_id)s and there.id <> known.id
                    and there.phone = {_NEW_PHONE}
            ) then {_NEW_PHONE}
        end,
        name = case when known.name is not null then %(label)s end
    from unnest(%(old_ids)s::uuid[], %(new_ids)s::uuid[]) as renamed (old_id, new_id)
    where
        known.client_id = %(client_id)s and known.id = renamed.old_id
        and not exists (
            select from conversations as there
            where there.client_id = %(client_id)s and there.id = renamed.new_id
        )
"""  # noqa: S608 - constants of this file
_DROP_CONVERSATIONS = """
    delete from conversations
    where client_id = %(client_id)s and id = any(%(old_ids)s::uuid[])
"""

_OF_CONVERSATIONS: LiteralString = """
    kept.client_id = %(client_id)s and kept.conversation_id = any(%(old_ids)s::uuid[])
"""
_OF_PERSON: LiteralString = """
    kept.client_id = %(client_id)s
    and (
        kept.conversation_id = any(%(old_ids)s::uuid[])
        or kept.conversation_id is null and kept.phone = any(%(lone_phones)s::text[])
    )
"""
# While there are calls with the old key their part of the sums is still to move with them.
_NOT_CALLED: LiteralString = """
    not exists (
        select from usage_logs as log
        where log.client_id = kept.client_id and log.conversation_id = kept.conversation_id
    )
"""
_WITHOUT_CALLS: LiteralString = f"""
    {_NOT_CALLED}
    and (
        kept.conversation_id is not null
        or not exists (
            select from usage_logs as log
            where
                log.client_id = kept.client_id and log.conversation_id is null and log.phone = kept.phone
        )
    )
"""
_RENAMED: LiteralString = """
    left join unnest(%(old_ids)s::uuid[], %(new_ids)s::uuid[]) as renamed (old_id, new_id)
        on renamed.old_id = taken.conversation_id
    left join unnest(%(old_phones)s::text[], %(new_phones)s::text[]) as pseudonym (old_phone, new_phone)
        on pseudonym.old_phone = taken.phone and taken.conversation_id is null
"""
_MOVE_DAYS: LiteralString = f"""
    with taken as (
        delete from usage_conversation_daily_rollup as kept
        where {_OF_PERSON} and {_WITHOUT_CALLS}
        returning *
    )

    insert into usage_conversation_daily_rollup as kept (
        client_id, usage_date, conversation_id, phone,
        total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
    )
    select
        taken.client_id, taken.usage_date, renamed.new_id, pseudonym.new_phone,
        sum(taken.total_tokens), sum(taken.openai_tokens), sum(taken.groq_tokens), sum(taken.cost_usd),
        sum(taken.request_count), sum(taken.unpriced_count)
    from taken
    {_RENAMED}
    group by taken.client_id, taken.usage_date, renamed.new_id, pseudonym.new_phone
    on conflict (client_id, usage_date, conversation_id, phone) do update set
        total_tokens = kept.total_tokens + excluded.total_tokens,
        openai_tokens = kept.openai_tokens + excluded.openai_tokens,
        groq_tokens = kept.groq_tokens + excluded.groq_tokens,
        cost_usd = kept.cost_usd + excluded.cost_usd,
        request_count = kept.request_count + excluded.request_count,
        unpriced_count = kept.unpriced_count + excluded.unpriced_count
"""  # noqa: S608 - constants of this file
_MOVE_WEEKS: LiteralString = f"""
    with taken as (
        delete from usage_conversation_weekly_rollup as kept
        where {_OF_PERSON} and {_WITHOUT_CALLS}
        returning *
    )

    insert into usage_conversation_weekly_rollup as kept (
        client_id, week_start, last_date, conversation_id, total_tokens, request_count, cost_usd, phone
    )
    select
        taken.client_id, taken.week_start, max(taken.last_date), renamed.new_id, sum(taken.total_tokens),
        sum(taken.request_count), sum(taken.cost_usd), pseudonym.new_phone
    from taken
    {_RENAMED}
    group by taken.client_id, taken.week_start, renamed.new_id, pseudonym.new_phone
    on conflict on constraint usage_conversation_weekly_rollup_key do update set
        last_date = greatest(kept.last_date, excluded.last_date),
        total_tokens = kept.total_tokens + excluded.total_tokens,
        request_count = kept.request_count + excluded.request_count,
        cost_usd = kept.cost_usd + excluded.cost_usd
"""  # noqa: S608 - constants of this file
_MOVE_LIFETIMES: LiteralString = f"""
    with taken as (
        delete from usage_conversation_rollup as kept
        where {_OF_PERSON} and {_WITHOUT_CALLS}
        returning *
    )

    insert into usage_conversation_rollup as kept (
        client_id, conversation_id, phone, first_date, last_date,
        total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count, kind_amounts
    )
    select
        taken.client_id, renamed.new_id, pseudonym.new_phone, min(taken.first_date), max(taken.last_date),
        sum(taken.total_tokens), sum(taken.openai_tokens), sum(taken.groq_tokens), sum(taken.cost_usd),
        sum(taken.request_count), sum(taken.unpriced_count),
        case when bool_and(taken.kind_amounts is not null) then all_amounts_together(taken.kind_amounts) end
    from taken
    {_RENAMED}
    group by taken.client_id, renamed.new_id, pseudonym.new_phone
    on conflict on constraint usage_conversation_rollup_key do update set
        first_date = least(kept.first_date, excluded.first_date),
        last_date = greatest(kept.last_date, excluded.last_date),
        total_tokens = kept.total_tokens + excluded.total_tokens,
        openai_tokens = kept.openai_tokens + excluded.openai_tokens,
        groq_tokens = kept.groq_tokens + excluded.groq_tokens,
        cost_usd = kept.cost_usd + excluded.cost_usd,
        request_count = kept.request_count + excluded.request_count,
        unpriced_count = kept.unpriced_count + excluded.unpriced_count,
        kind_amounts = amounts_together(kept.kind_amounts, excluded.kind_amounts)
"""  # noqa: S608 - constants of this file
# Busy weeks by kind are only there to be faster: the fold has made those of the new keys of the calls.
_FORGET_KINDS: LiteralString = f"""
    delete from usage_conversation_kind_rollup as kept
    where {_OF_CONVERSATIONS} and {_NOT_CALLED}
"""  # noqa: S608 - constants of this file
_IS_LEFT: LiteralString = f"""
    select
        exists (select from usage_conversation_daily_rollup as kept where {_OF_PERSON})
        or exists (select from usage_conversation_weekly_rollup as kept where {_OF_PERSON})
        or exists (select from usage_conversation_rollup as kept where {_OF_PERSON})
        or exists (select from usage_conversation_kind_rollup as kept where {_OF_CONVERSATIONS})
        or exists (select from usage_logs as kept where {_OF_PERSON})
"""  # noqa: S608 - constants of this file


class StillWritten(Exception):
    """Writers were faster than the erasure: it has to be tried again while they wait."""


def erase_calls(
    connection: "psycopg.Connection[Any]",
    client_id: UUID,
    pseudonyms: Pseudonyms,
    conversations: Sequence[UUID],
    lone_phones: Sequence[str],
    *,
    is_alone: bool,
) -> int:
    """Erases these conversations, and the calls of these phones that name none; how many calls there were.

    With `is_alone` the client's writers wait until the transaction ends; else what they commit meanwhile is
    erased as well.

    Raises:
        StillWritten: they did not stop; the transaction has to be rolled back.
    """
    values = {
        **_values(client_id, pseudonyms),
        "old_ids": list(conversations),
        "new_ids": [pseudonyms.conversations[each] for each in conversations],
        "old_phones": list(pseudonyms.phones),
        "new_phones": list(pseudonyms.phones.values()),
        "lone_phones": list(lone_phones),
    }
    connection.execute(_LOCK_CORRECTIONS, values)
    connection.execute(_TAKE_TIMEZONE if is_alone else _SHARE_TIMEZONE, values)
    count = 0
    for _ in range(ROUNDS):
        count += connection.execute(_ERASE_CALLS, values).rowcount
        connection.execute(_LOCK_ROLLUPS)
        connection.execute("select fold_usage()")
        for move in (_MOVE_DAYS, _MOVE_WEEKS, _MOVE_LIFETIMES, _FORGET_KINDS):
            connection.execute(move, values)
        connection.execute(_LOCK_CONVERSATIONS, values)
        connection.execute(_RENAME_CONVERSATIONS, values)
        connection.execute(_DROP_CONVERSATIONS, values)
        if connection.execute(_IS_LEFT, values).fetchone() == (False,):
            return count
    raise StillWritten


def erase_tagged_calls(
    connection: "psycopg.Connection[Any]",
    client_id: UUID,
    pseudonyms: Pseudonyms,
    person: Person,
    tags: Sequence[tuple[str, str]],
) -> int:
    """Erases the metadata of up to TAGGED_BATCH calls that have the tags and nothing else; how many."""
    values = {
        **_values(client_id, pseudonyms),
        "tag_set_ids": list(person.tag_set_ids),
        "keys": [key for key, _ in tags],
        "values": [value for _, value in tags],
        "batch": TAGGED_BATCH,
    }
    connection.execute(_LOCK_CORRECTIONS, values)
    return connection.execute(_ERASE_TAGGED, values).rowcount


def _values(client_id: UUID, pseudonyms: Pseudonyms) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "corrections": locks.CORRECTIONS,
        "label": pseudonyms.label,
        "salt": pseudonyms.salt,
        "kept_keys": list(KEPT_KEYS),
        **looked_for(pseudonyms),
    }
