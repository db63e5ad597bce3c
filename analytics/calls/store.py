"""Inserts calls into usage_logs, each once, and their conversations.

COPY cannot skip rows that exist: store_lines() copies into a temporary table, finds out there which calls are
new, which are fuller than what is stored, and which say nothing new, and writes what is left.
store_new_lines() is faster, for calls that are all new.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar
from uuid import UUID

from analytics.calls.merge import ARE_REPEATED, FACTS, forget_equal, forget_erased, merge_repeated
from analytics.calls.on_citus import copy_known, is_on_citus, write_back
from analytics.calls.row import LINE_COLUMNS, NULL, current_line, unescaped
from analytics.calls.stored_spans import lock_spans, name_twins
from analytics.calls.twins import may_be_of_span
from analytics.errors import DataRefused

if TYPE_CHECKING:
    import psycopg

Item = TypeVar("Item")

_LAST_FIELDS = LINE_COLUMNS[LINE_COLUMNS.index("tags") :]
_BASIS_AT, _METADATA_AT = LINE_COLUMNS.index("cost_basis"), LINE_COLUMNS.index("metadata")
_ATTEMPTS_AT_PHONES = 100
"""More than there are writers who take one phone after the other from under a batch."""
_TOO_MANY_SETS = "0"
"""What intern_tags() answers where a client has too many sets of tags to keep them apart."""

_CREATE_INCOMING: LiteralString = f"""
    create temporary table incoming_usage on commit drop as
    select
        {FACTS}, tag_set_id, null::jsonb as tags, null::text as conversation_name, null::boolean as is_known
    from usage_logs
    with no data
"""  # noqa: S608 - names of this project
_COPY_INCOMING = f"copy incoming_usage ({', '.join(LINE_COLUMNS)}) from stdin"
_COPY_USAGE = f"copy usage_logs ({', '.join(LINE_COLUMNS[:-1]).replace('tags', 'tag_set_id')}) from stdin"

# In an order that all have, as a new set of tags is another row that two writers may want at once.
_INTERN_TAGS = """
    with sets as (
        select distinct client_id, tags from incoming_usage where tags is not null
    ),

    interned as materialized (
        select client_id, tags, intern_tags(coalesce(client_id, unassigned_client_id()), tags) as id
        from (select client_id, tags from sets order by client_id, tags::text) as sorted
    )

    update incoming_usage as incoming
    set
        tag_set_id = interned.id,
        -- Nothing is lost where there are too many sets.
        metadata = case
            when interned.id = 0
                then case when jsonb_typeof(incoming.metadata) = 'object' then incoming.metadata else '{}' end
                    || jsonb_build_object('tags', incoming.tags)
            else incoming.metadata
        end
    from interned
    where incoming.tags = interned.tags and incoming.client_id is not distinct from interned.client_id
"""

_INTERN_SETS = """
    select place, intern_tags(coalesce(client_id, unassigned_client_id()), tags)
    from (
        select client_id, tags, place
        from unnest(%s::uuid[], %s::text[]::jsonb[]) with ordinality as given (client_id, tags, place)
        order by client_id, tags::text
    ) as sorted
"""

_REMOVE_UNKNOWN_CLIENTS = """
    delete from incoming_usage
    where
        client_id is not null
        and not exists (select from clients where clients.id = incoming_usage.client_id)
    returning client_id, id
"""

# Whether such a call was counted before it went is not known any more.
_REMOVE_OF_SUMMED_DAYS = """
    delete from incoming_usage as incoming
    using clients as client
    where
        client.id = coalesce(incoming.client_id, unassigned_client_id())
        and coalesce(incoming.created_at, now()) < client.raw_since_at
    returning incoming.client_id, incoming.id, refusal_before_raw_since(client.id, client.raw_since)
"""

_STORE_CONVERSATIONS: tuple[LiteralString, ...] = (
    # One row per conversation that the calls name: its name, and its phone unless an earlier call of another
    # conversation has that, as a phone belongs to one conversation of a client.
    """
    create temporary table incoming_conversation on commit drop as
    with seen as (
        select
            client_id,
            conversation_id as id,
            max(conversation_name) as name,
            (array_agg(phone order by ctid) filter (where phone is not null))[1] as phone,
            min(ctid) as place
        from incoming_usage
        where client_id is not null and conversation_id is not null
        group by client_id, conversation_id
    )

    select
        seen.client_id,
        seen.id,
        seen.name,
        case
            when row_number() over (partition by seen.client_id, seen.phone order by seen.place) = 1
                then seen.phone
        end as phone,
        known.id is not null as is_known
    from seen
    left join conversations as known on known.client_id = seen.client_id and known.id = seen.id
    where known.id is null or known.phone is null and seen.phone is not null
    """,
    # In key order, so that writers of the same rows wait for each other and not in a circle.
    """
    insert into conversations (client_id, id, name, phone)
    select client_id, id, name, phone
    from incoming_conversation
    where not is_known
    order by client_id, id
    on conflict do nothing
    """,
    # Those whose phone is another conversation's already.
    """
    insert into conversations (client_id, id, name)
    select client_id, id, name
    from incoming_conversation
    where not is_known and phone is not null
    order by client_id, id
    on conflict do nothing
    """,
)
# Whether there are phones that earlier calls of their conversations did not say.
_TELL_PHONES = "select exists (select from incoming_conversation where is_known)"
_GIVE_PHONES = """
    update conversations as known
    set phone = incoming.phone
    from incoming_conversation as incoming
    where
        known.client_id = incoming.client_id
        and known.id = incoming.id
        and known.phone is null
        and incoming.phone is not null
        and incoming.is_known
        and not exists (
            select from conversations as other
            where other.client_id = incoming.client_id and other.phone = incoming.phone
        )
"""

_INSERT_USAGE: LiteralString = f"""
    with stored as (
        insert into usage_logs ({FACTS}, tag_set_id)
        select {FACTS}, tag_set_id
        from incoming_usage
        where is_known is not true
        order by id, client_id
        on conflict (client_id, id) do nothing
        returning client_id, id, cost_basis
    ),

    -- Somebody else was a moment faster.
    passed_over as (
        select coalesce(client_id, unassigned_client_id()) as client_id, id
        from incoming_usage
        where is_known is not true
        except
        select client_id, id from stored
    )

    select
        (select count(*) from stored),
        (select count(*) from stored where cost_basis = 'unpriced'),
        array(select client_id from passed_over order by id, client_id),
        array(select id from passed_over order by id, client_id)
"""  # noqa: S608 - names of this project

_UPDATED: list[LiteralString] = [
    name for name in (*FACTS.split(", "), "tag_set_id") if name not in ("client_id", "id", "created_at")
]
_UPDATE_USAGE: LiteralString = f"""
    update usage_logs as log
    set {", ".join(f"{name} = incoming.{name}" for name in _UPDATED)}
    from incoming_usage as incoming
    where
        incoming.is_known
        and log.client_id = coalesce(incoming.client_id, unassigned_client_id())
        and log.id = incoming.id
"""  # noqa: S608 - names of this project


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What became of some lines. Ids are those of rows."""

    stored: int
    """New rows."""
    unpriced: int
    """Part of `stored`."""
    known_before: Sequence[UUID] = ()
    """Calls that were there before, those that are updated included."""
    updated: Sequence[UUID] = ()
    """Calls of which a later line said more: than the row that was there, or than the lines before."""
    unknown_clients: Sequence[tuple[UUID, UUID]] = ()
    """Client and id of calls that were not stored because there is no such client."""
    of_summed_days: Sequence[tuple[UUID | None, UUID, str]] = ()
    """Client and id of calls that were not stored as of their day only sums are kept, and why in a sentence.
    A call that came twice is there twice."""
    row_ids: Mapping[UUID, UUID] = field(default_factory=dict)
    """Of lines whose call was stored under another id: the line's id -> the row's."""


def store_new_lines(connection: "psycopg.Connection[Any]", lines: Sequence[str]) -> Stored:
    """Does what store_lines() does, a third faster, where all calls are new and all clients exist.

    Otherwise one of psycopg's errors is raised, and the transaction has to be rolled back.
    """
    if is_on_citus(connection):
        return store_lines(connection, lines)
    rows: list[tuple[str, str, str]] = []
    parties: dict[str, str] = {}
    sets: dict[tuple[str, str], str] = {}
    unpriced = 0
    for line in map(current_line, lines):
        if may_be_of_span(line):
            return store_lines(connection, lines)  # another span may have told of its call
        row, tags, party = _parted(line)
        # One line of several with the same conversation is enough.
        parties.setdefault(party, line)
        if tags != NULL:
            sets[party[: party.index("\t")], tags] = NULL
        rows.append((row, tags, party))
        unpriced += line.split("\t", _BASIS_AT + 1)[_BASIS_AT] == "unpriced"
    # By id, as store_lines() does, so that writers of the same rows wait for each other and not in a circle.
    rows.sort()
    _receive(connection, parties.values())
    with connection.pipeline():
        for statement in _STORE_CONVERSATIONS:
            connection.execute(statement)
        tell_phones = connection.execute(_TELL_PHONES)
    if tell_phones.fetchone() == (True,):
        _give_phones(connection)
    if sets:
        _intern(connection, sets)
    with connection.cursor().copy(_COPY_USAGE) as copy:
        copy.write("\n".join([_with_set(*row, sets) for row in rows] if sets else map("\t".join, rows)))
    return Stored(stored=len(rows), unpriced=unpriced)


def _parted(line: str) -> tuple[str, str, str]:
    """A line's fields before its tags, these, and its client, conversation and phone."""
    row, tags, client, conversation, phone, _ = line.rsplit("\t", len(_LAST_FIELDS))
    return row, tags, f"{client}\t{conversation}\t{phone}"


def _intern(connection: "psycopg.Connection[Any]", sets: dict[tuple[str, str], str]) -> None:
    """Puts the ids of sets of tags, as COPY has them, beside their client and tags."""
    keys = list(sets)
    interned = connection.execute(
        _INTERN_SETS,
        [[None if client == NULL else client for client, _ in keys], [unescaped(tags) for _, tags in keys]],
    )
    for place, tag_set_id in interned:
        sets[keys[place - 1]] = NULL if tag_set_id is None else str(tag_set_id)


def _with_set(row: str, tags: str, party: str, sets: Mapping[tuple[str, str], str]) -> str:
    """The line as COPY takes it into usage_logs."""
    if tags == NULL:
        return f"{row}\t{tags}\t{party}"
    tag_set_id = sets[party[: party.index("\t")], tags]
    if tag_set_id == _TOO_MANY_SETS:  # nothing is lost
        fields = row.split("\t", _METADATA_AT + 1)
        known = fields[_METADATA_AT]
        fields[_METADATA_AT] = (
            f'{{"tags":{tags}}}' if known in (NULL, "{}") else f'{known[:-1]},"tags":{tags}}}'
        )
        row = "\t".join(fields)
    return f"{row}\t{tag_set_id}\t{party}"


def store_lines(connection: "psycopg.Connection[Any]", lines: Iterable[str]) -> Stored:
    """Stores lines of row.copy_line() in the connection's transaction; raises psycopg's errors."""
    lines = list(map(current_line, lines))
    _receive(connection, lines)
    of_spans = list(filter(may_be_of_span, lines))
    if is_on_citus(connection):
        copy_known(connection, of_spans=bool(of_spans))
    with connection.pipeline():
        unknown = connection.execute(_REMOVE_UNKNOWN_CLIENTS)
        of_summed_days = connection.execute(_REMOVE_OF_SUMMED_DAYS)
        if of_spans:
            lock_spans(connection, of_spans)
        repeated = connection.execute(ARE_REPEATED)
    known: list[UUID] = []
    updated: list[UUID] = []
    is_repeated = repeated.fetchone() == (True,)
    if is_repeated:
        known += [*forget_equal(connection), *forget_erased(connection)]
    twins = name_twins(connection, of_spans, set(known)) if of_spans else {}
    stored = unpriced = 0
    while True:
        if is_repeated or twins:
            # Before conversations are written: rows are locked first by all.
            merged = merge_repeated(connection)
            known += merged.known
            updated += merged.updated
        with connection.pipeline():
            for statement in _STORE_CONVERSATIONS:
                connection.execute(statement)
            tell_phones = connection.execute(_TELL_PHONES)
            connection.execute(_INTERN_TAGS)
            inserted = connection.execute(_INSERT_USAGE)
            if is_repeated or twins:
                connection.execute(_UPDATE_USAGE)
        counted = inserted.fetchone()
        assert counted is not None
        stored += counted[0]
        unpriced += counted[1]
        if tell_phones.fetchone() == (True,):
            _give_phones(connection)
        if not counted[2]:
            break
        is_repeated = True
        _keep_only(connection, *counted[2:])
    if is_on_citus(connection):
        write_back(connection, f"{FACTS}, tag_set_id", _UPDATED)
    return Stored(
        stored=stored,
        unpriced=unpriced,
        known_before=known,
        updated=updated,
        unknown_clients=unknown.fetchall(),
        of_summed_days=of_summed_days.fetchall(),
        row_ids={UUID(line_id): UUID(row_id) for (_, line_id), row_id in twins.items()},
    )


def _give_phones(connection: "psycopg.Connection[Any]") -> None:
    """Gives known conversations the phones that their calls tell now.

    Who gives one to another conversation at the same time may be faster: then it is that one's.
    """
    from psycopg.errors import UniqueViolation
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

    for attempt in Retrying(
        # What was faster is seen the next time.
        retry=retry_if_exception_type(UniqueViolation),
        stop=stop_after_attempt(_ATTEMPTS_AT_PHONES),
        reraise=True,
    ):
        with attempt, connection.transaction():
            connection.execute(_GIVE_PHONES)


def _keep_only(
    connection: "psycopg.Connection[Any]", client_ids: Sequence[UUID], call_ids: Sequence[UUID]
) -> None:
    """Takes all lines of other calls out of incoming_usage: they are stored."""
    connection.execute("drop table incoming_conversation")
    connection.execute(
        """
        delete from incoming_usage as incoming
        where not exists (
            select
            from unnest(%s::uuid[], %s::uuid[]) as left_over (client_id, id)
            where
                left_over.client_id = coalesce(incoming.client_id, unassigned_client_id())
                and left_over.id = incoming.id
        )
        """,
        [client_ids, call_ids],
    )


def _receive(connection: "psycopg.Connection[Any]", lines: Iterable[str]) -> None:
    """Copies lines of today's form into the temporary table."""
    connection.execute(_CREATE_INCOMING)
    with connection.cursor().copy(_COPY_INCOMING) as copy:
        copy.write("".join(lines))


def store_bisecting(
    items: Sequence[Item], store: Callable[[Sequence[Item]], Stored]
) -> Iterator[tuple[Sequence[Item], Stored | DataRefused]]:
    """Stores the items, all at once if the database takes them.

    A batch that is refused is split in half again and again, until the items at fault stand alone, each
    with its error.
    """
    try:
        yield items, store(items)
    except DataRefused as error:
        if len(items) == 1:
            yield items, error
        else:
            middle = len(items) // 2
            yield from store_bisecting(items[:middle], store)
            yield from store_bisecting(items[middle:], store)
