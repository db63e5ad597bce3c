"""Finds what is kept about one person: by a phone, a conversation or a tag, and from there all that belongs.

A phone is found however it is written. A person's conversations are those that have one of the phones, by
their row or by a call; all of such a conversation is the person's, but other phones in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from analytics.calls.row import conversation_uuid, is_uuid
from analytics.clients import Client
from analytics.errors import InvalidInput
from analytics.people.pseudonyms import digits_of

MAX_LENGTH = 500  # characters of what a person is named by

_DIGITS: LiteralString = "regexp_replace(split_part(phone, '@', 1), '[^0-9]', '', 'g')"
_IS_PHONE: LiteralString = f"(phone = any(%(phones)s::text[]) or {_DIGITS} = any(%(digits)s::text[]))"
_NOT_ERASED: LiteralString = "coalesce(not metadata ? 'erased', true)"

_TAG_SETS = "select id from tag_sets where client_id = %(client_id)s and tags ->> %(key)s = %(value)s"
# Of calls that were erased by what else they had, phone and conversation are pseudonyms.
_OF_TAG: LiteralString = f"""
    select distinct conversation_id, phone
    from usage_logs
    where
        client_id = %(client_id)s
        and (
            tag_set_id = any(%(tag_set_ids)s::integer[])
            or tag_set_id = 0 and metadata -> 'tags' ->> %(key)s = %(value)s
        )
        and {_NOT_ERASED}
"""  # noqa: S608 - constants of this file
_CONVERSATION_PHONES = """
    select distinct phone
    from conversations
    where client_id = %(client_id)s and id = any(%(conversations)s::uuid[]) and phone is not null
"""
_CALLS_PHONES = """
    select array_agg(distinct phone)
    from usage_logs
    where client_id = %(client_id)s and conversation_id = %(conversation)s and phone is not null
"""
# Where calls are gone, their sums still have them.
_OF_PHONES: LiteralString = f"""
    select conversation_id, phone
    from (
        select id as conversation_id, phone from conversations where client_id = %(client_id)s
        union
        select conversation_id, phone from usage_logs where client_id = %(client_id)s
        union
        select conversation_id, phone from usage_pending where client_id = %(client_id)s
        union
        select conversation_id, phone from usage_conversation_rollup where client_id = %(client_id)s
        union
        select conversation_id, phone from usage_conversation_daily_rollup where client_id = %(client_id)s
        union
        select conversation_id, phone from usage_conversation_weekly_rollup where client_id = %(client_id)s
    ) as kept
    where phone is not null and {_IS_PHONE}
"""  # noqa: S608 - constants of this file
_ROWS = """
    select id, phone, name, masked_name(name, phone)
    from conversations
    where client_id = %(client_id)s and id = any(%(conversations)s::uuid[])
"""
_CONVERSATION_CALLS = """
    select conversation_id, count(*)
    from usage_logs
    where client_id = %(client_id)s and conversation_id = any(%(conversations)s::uuid[])
    group by conversation_id
"""
_LONE_CALLS = """
    select phone, count(*)
    from usage_logs
    where client_id = %(client_id)s and conversation_id is null and phone = any(%(phones)s::text[])
    group by phone
"""
IS_TAGGED_ALONE: LiteralString = f"""
    client_id = %(client_id)s and conversation_id is null and phone is null
    and (
        tag_set_id = any(%(tag_set_ids)s::integer[])
        or tag_set_id = 0 and exists (
            select
            from unnest(%(keys)s::text[], %(values)s::text[]) as tag (key, value)
            where metadata -> 'tags' ->> tag.key = tag.value
        )
    )
    and {_NOT_ERASED}
"""  # noqa: S608 - constants of this file
"""Whether a call has one of the tags, and neither a conversation nor a phone."""
_TAGGED_CALLS: LiteralString = f"select count(*) from usage_logs where {IS_TAGGED_ALONE}"  # noqa: S608
# Those with calls, or sums of calls that are gone, or a row.
_KNOWN = """
    select id as conversation_id
    from conversations
    where client_id = %(client_id)s and id = any(%(conversations)s::uuid[])
    union
    select conversation_id
    from usage_conversation_rollup
    where
        client_id = %(client_id)s and conversation_id = any(%(conversations)s::uuid[]) and request_count <> 0
"""
_DAYS = """
    select count(distinct usage_date)
    from (
        select usage_date, request_count, conversation_id, phone
        from usage_conversation_daily_rollup
        where client_id = %(client_id)s
        union all
        select usage_date, request_count, conversation_id, phone
        from usage_pending
        where client_id = %(client_id)s
    ) as used
    where
        request_count <> 0
        and (
            conversation_id = any(%(conversations)s::uuid[])
            or conversation_id is null and phone = any(%(phones)s::text[])
        )
"""
_OTHER_PHONES = """
    select count(distinct phone)
    from usage_logs
    where
        client_id = %(client_id)s and conversation_id = any(%(conversations)s::uuid[])
        and phone is not null and not phone = any(%(phones)s::text[])
"""


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a person is named by; several of one person, too.

    Raises:
        InvalidInput: there is nothing, or something that cannot be.
    """

    phones: Sequence[str] = ()
    conversations: Sequence[str] = ()
    """Ids, or names of the application's own that are none."""
    tags: Sequence[tuple[str, str]] = ()
    """Key and value."""

    def __post_init__(self) -> None:
        if not (self.phones or self.conversations or self.tags):
            raise InvalidInput("say who it is: a phone, a conversation or a tag with its value")
        for kind, texts in (
            ("a phone", self.phones),
            ("a conversation", self.conversations),
            ("a tag", [part for tag in self.tags for part in tag]),
        ):
            for text in texts:
                if not text.strip() or "\0" in text or len(text) > MAX_LENGTH:
                    raise InvalidInput(f"{kind} must be a text of at most {MAX_LENGTH} characters, not empty")

    def conversation_ids(self, client_id: UUID) -> list[UUID]:
        """The ids of the conversations that are named."""
        texts = [text.strip() for text in self.conversations]
        return [UUID(text) if is_uuid(text) else conversation_uuid(client_id, text) for text in texts]

    @property
    def kinds(self) -> list[str]:
        """Which kinds of them there are: phone, conversation, tag."""
        named = (("phone", self.phones), ("conversation", self.conversations), ("tag", self.tags))
        return [kind for kind, texts in named if texts]


@dataclass(frozen=True, kw_only=True)
class Person:
    """What belongs to one person of a client, as it is kept now."""

    phones: Sequence[str]
    """As they are written."""
    conversations: Sequence[UUID]
    """Those that were named stand last: they are what an interrupted erasure is found by again."""
    rows: Mapping[UUID, tuple[str | None, str | None, str | None]]
    """Phone, name and masked name of the conversations that have a row."""
    calls: Mapping[UUID, int]
    """How many calls each conversation has."""
    lone_calls: Mapping[str, int]
    """How many calls each phone has that name no conversation."""
    tag_set_ids: Sequence[int]
    """Sets that have the tags by which the person was named."""
    tagged_calls: int
    """Calls with these and neither a conversation nor a phone."""
    day_count: int
    other_phones: int
    """How many phones of others are on calls of these conversations, and stay."""

    @property
    def call_count(self) -> int:
        return sum(self.calls.values()) + sum(self.lone_calls.values()) + self.tagged_calls

    @property
    def conversation_count(self) -> int:
        """As pages count them: the calls of a conversation's phone without a conversation are that one's."""
        own = {phone for phone, _, _ in self.rows.values()}
        return len(self.conversations) + len([phone for phone in self.lone_calls if phone not in own])

    @property
    def is_kept(self) -> bool:
        """Whether there is anything of this person in calls or conversations."""
        return bool(self.phones or self.conversations or self.tagged_calls)


def find_person(
    connection: "psycopg.Connection[Any]",
    client: Client,
    named: Named,
    *,
    further_conversations: Sequence[UUID] = (),
    further_phones: Sequence[str] = (),
) -> Person:
    """What belongs to whoever is `named`, and to what calls that wait on this machine say of that person."""
    values: dict[str, Any] = {
        "client_id": client.id,
        "keys": [key for key, _ in named.tags],
        "values": [value for _, value in named.tags],
    }
    given = named.conversation_ids(client.id)
    phones = [*named.phones, *further_phones]
    conversations = {*given, *further_conversations}
    tag_set_ids: list[int] = []
    for key, value in named.tags:
        tag = {**values, "key": key, "value": value}
        sets = [set_id for (set_id,) in connection.execute(_TAG_SETS, tag)]
        tag_set_ids += sets
        for conversation_id, phone in connection.execute(_OF_TAG, {**tag, "tag_set_ids": sets}):
            conversations |= {conversation_id} - {None}
            phones += [phone] if phone else []
    for (phone,) in connection.execute(_CONVERSATION_PHONES, {**values, "conversations": [*conversations]}):
        phones.append(phone)
    for conversation_id in given:
        # One of which the phone is another conversation's has it on its calls only.
        [(found,)] = connection.execute(_CALLS_PHONES, {**values, "conversation": conversation_id}).fetchall()
        phones += found if found and len(found) == 1 else []
    values["digits"] = sorted({digits for phone in phones if (digits := digits_of(phone))})
    values["phones"] = sorted(set(phones))
    written: set[str] = set()
    if phones:
        for conversation_id, phone in connection.execute(_OF_PHONES, values):
            conversations |= {conversation_id} - {None}
            written.add(phone)
    values |= {"phones": sorted(written), "tag_set_ids": tag_set_ids, "conversations": [*conversations]}
    calls = dict(connection.execute(_CONVERSATION_CALLS, values).fetchall())
    known = {*calls, *(found for (found,) in connection.execute(_KNOWN, values))}
    last = [conversation_id for conversation_id in given if conversation_id in known]
    values["conversations"] = [*sorted(known - {*last}, key=str), *last]
    [(tagged_calls,)] = connection.execute(_TAGGED_CALLS, values).fetchall()
    [(day_count,)] = connection.execute(_DAYS, values).fetchall()
    [(other_phones,)] = connection.execute(_OTHER_PHONES, values).fetchall()
    return Person(
        phones=values["phones"],
        conversations=values["conversations"],
        rows={row[0]: (row[1], row[2], row[3]) for row in connection.execute(_ROWS, values)},
        calls=calls,
        lone_calls=dict(connection.execute(_LONE_CALLS, values).fetchall()),
        tag_set_ids=tag_set_ids,
        tagged_calls=tagged_calls,
        day_count=day_count,
        other_phones=other_phones,
    )
