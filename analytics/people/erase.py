"""Forgets a person: whatever tells who it was becomes a random pseudonym, and no sum changes.

In bites, a transaction each, in which a conversation changes as a whole. What is interrupted may be run
again, and goes on. Calls that arrive later are of a new person.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from analytics import locks
from analytics.clients import Client, find_client
from analytics.database import Database
from analytics.errors import DatabaseError, InvalidInput
from analytics.people import receipts
from analytics.people.archives import Archived, archived_of, erase_archived
from analytics.people.calls import StillWritten, erase_calls, erase_tagged_calls
from analytics.people.person import Named, Person, find_person
from analytics.people.places import BATCH_ROWS, Change, mentions, name_tags, texts_elsewhere
from analytics.people.pseudonyms import Pseudonyms
from analytics.people.receipts import Receipt
from analytics.people.spools import Waiting, erase_waiting, spools_in, waiting_of

BITE_CALLS = 20_000
"""About as many calls change in one transaction, unless one conversation has more."""
ROUNDS = 3
"""So often it is looked for what arrived in the meantime."""
ATTEMPTS = 3
"""Of a bite that PostgreSQL ended, as two waited for each other."""

# What is left in pages that are not in use is overwritten by what comes, and statistics have values, too.
TOUCHED = (
    *("usage_logs", "conversations", "tag_sets", "usage_conversation_daily_rollup"),
    *("usage_conversation_weekly_rollup", "usage_conversation_kind_rollup", "usage_conversation_rollup"),
    "usage_pending",
    *("budgets", "budget_versions", "alert_events", "cost_correction_items", "cost_corrections"),
)

Report = Callable[[int], None]
"""Is told how many calls are erased by now."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What an erasure would erase."""

    client: Client
    person: Person
    waiting: Waiting
    archived: Archived
    tag_count: int
    """Values of tags that name the person."""
    mention_count: int
    """Places elsewhere that name the person, tags included."""
    own_tags: Sequence[tuple[str, str]]
    """Tags that only calls of the person have, and that stay: they may tell who it is."""

    @property
    def is_kept(self) -> bool:
        return (
            self.person.is_kept or self.waiting.count > 0 or self.archived.count > 0 or self.mention_count > 0
        )


def look(database: Database, client: str, named: Named, *, spools: Path | None = None) -> Found:
    """What is kept about whoever is named, of the client with this name or id; changes nothing.

    `spools` is the directory with the calls that wait on this machine.

    Raises:
        UnknownClient: no client has the name or id.
        InvalidInput: this user of the database may not see all.
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    with database.transaction() as connection:
        require_owner(connection, database)
    owner = find_client(database, client)
    pseudonyms = Pseudonyms()
    with database.transaction() as connection:
        person, waiting, archived = find_everywhere(connection, owner, named, pseudonyms, spools)
        tags = list(name_tags(connection, owner.id, named, pseudonyms, archived.sets))
        elsewhere = [
            *mentions(connection, owner.id, pseudonyms),
            *texts_elsewhere(connection, owner.id, pseudonyms),
        ]
        own = _own_tags(connection, owner.id, person)
    # Of the person's own calls all metadata go.
    return Found(
        client=owner,
        person=person,
        waiting=waiting,
        archived=archived,
        tag_count=len(pseudonyms.tags),
        mention_count=len(tags) + len(elsewhere),
        own_tags=[tag for tag in own if tag not in pseudonyms.tags],
    )


def erase_person(
    database: Database,
    client: str,
    named: Named,
    *,
    by: str,
    spools: Path | None = None,
    report: Report | None = None,
) -> Receipt | None:
    """Erases whoever is named, of the client with this name or id; None where nothing is kept.

    For administrators alone, and as the user that owns the tables.

    Raises:
        UnknownClient: no client has the name or id.
        InvalidInput: this user of the database may not see all, calls are not brought over yet, a table of
            somebody else's holds a conversation, or a spool is locked.
        DatabaseError: the bite at which it happened changed nothing; the same again goes on.
    """
    found = look(database, client, named, spools=spools)
    if not found.is_kept:
        return None
    run = _Run(database, found.client, named, spools, report)
    with _no_retention(database, found.client):
        with database.transaction() as connection:
            _require_facts(connection, found.client)
            run.receipt_id = receipts.begin(
                connection, found.client.id, by, named.kinds, run.pseudonyms.label
            )
        return run.erase()


class _Run:
    """One erasure: the same thing has the same pseudonym in all of its bites."""

    def __init__(
        self, database: Database, client: Client, named: Named, spools: Path | None, report: Report | None
    ) -> None:
        self.database, self.client, self.named = database, client, named
        self.spools, self.report = spools, report
        self.pseudonyms = Pseudonyms()
        self.receipt_id: UUID
        self._erased = 0

    def erase(self) -> Receipt:
        for number in range(ROUNDS):
            with self.database.transaction() as connection:
                person, _, archived = find_everywhere(
                    connection, self.client, self.named, self.pseudonyms, self.spools
                )
            if number and not person.is_kept and not archived.count:
                break
            # First what leads from elsewhere to the person, who is found by the calls if this is interrupted.
            self._erase_mentions()
            for conversations, phones in _bites(person):
                self._erase_calls(conversations, phones)
            self._erase_tagged(person)
            self._erase_tags(archived)
            if number == 0:
                self._erase_spools()
            if archived.count or person.is_kept:
                self._erase_archives()
        with self.database.transaction() as connection:
            receipt = receipts.finish(connection, self.receipt_id)
        with suppress(DatabaseError):
            self.database.fold()
        return receipt

    def _erase_mentions(self) -> None:
        with self.database.transaction() as connection:
            found = mentions(connection, self.client.id, self.pseudonyms)
            changes = list(found)
        for batch in _batches(changes):
            with self.database.transaction() as connection:
                for change in batch:
                    change.apply(connection)
                receipts.add(connection, self.receipt_id, mentions=len(batch))

    def _erase_calls(self, conversations: Sequence[UUID], phones: Sequence[str]) -> None:
        is_alone = False
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.database.transaction() as connection:
                    connection.execute("set local jit = off")
                    count = erase_calls(
                        connection,
                        self.client.id,
                        self.pseudonyms,
                        conversations,
                        phones,
                        is_alone=is_alone,
                    )
                    # Budgets count the same calls, by their new names.
                    these = self.pseudonyms.limited(conversations, phones)
                    changes = list(texts_elsewhere(connection, self.client.id, these))
                    for change in changes:
                        change.apply(connection)
                    receipts.add(
                        connection,
                        self.receipt_id,
                        calls=count,
                        conversations=len(conversations),
                        mentions=len(changes),
                    )
                break
            except StillWritten:
                is_alone = True
            except DatabaseError as error:
                if isinstance(error.__cause__, psycopg.errors.ForeignKeyViolation):
                    raise InvalidInput(
                        "a table of your own refers to a conversation of this person, so that nothing of it "
                        f"was erased: erase it there first ({error})"
                    ) from error
                if attempt == ATTEMPTS or not isinstance(error.__cause__, psycopg.errors.DeadlockDetected):
                    raise
        self._tell(count)

    def _erase_tagged(self, person: Person) -> None:
        count = 1
        while person.tagged_calls and count:
            with self.database.transaction() as connection:
                count = erase_tagged_calls(
                    connection, self.client.id, self.pseudonyms, person, self.named.tags
                )
                receipts.add(connection, self.receipt_id, calls=count)
            self._tell(count)

    def _erase_tags(self, archived: Archived) -> None:
        """After the calls, which are found by them; budgets and alerts in the same transaction."""
        with self.database.transaction() as connection:
            count = 0
            for change in name_tags(connection, self.client.id, self.named, self.pseudonyms, archived.sets):
                change.apply(connection)
                count += 1
            for change in list(texts_elsewhere(connection, self.client.id, self.pseudonyms)):
                change.apply(connection)
                count += 1
            receipts.add(connection, self.receipt_id, mentions=count)

    def _erase_spools(self) -> None:
        for path in spools_in(self.spools):
            count = erase_waiting(path, self.client.id, self.named, self.pseudonyms)
            with self.database.transaction() as connection:
                receipts.add(connection, self.receipt_id, spooled=count)

    def _erase_archives(self) -> None:
        count = erase_archived(self.database, self.client, self.named, self.pseudonyms)
        with self.database.transaction() as connection:
            receipts.add(connection, self.receipt_id, calls=count)

    def _tell(self, count: int) -> None:
        self._erased += count
        if self.report:
            self.report(self._erased)


def vacuum(database: Database) -> None:
    """Gives back what the erasure left in the tables that it touched, and renews their statistics, which have
    values of their rows. Nobody waits for it; a large table takes minutes.

    Raises:
        DatabaseError: it could not be done; autovacuum will do it.
    """
    database.vacuum(*TOUCHED)


def find_everywhere(
    connection: "psycopg.Connection[Any]",
    client: Client,
    named: Named,
    pseudonyms: Pseudonyms,
    spools: Path | None,
) -> tuple[Person, Waiting, Archived]:
    """The person, with what waits on this machine and what is in archives; all of it gets its pseudonyms."""
    connection.execute("set local jit = off")
    person = find_person(connection, client, named)
    paths = spools_in(spools)
    given = named.conversation_ids(client.id)
    conversations, phones = {*person.conversations, *given}, {*named.phones, *person.phones}
    while True:
        # What one of the three tells may lead to more in the others.
        size = len(conversations), len(phones)
        waiting = waiting_of(paths, client.id, named, list(conversations), list(phones))
        archived = archived_of(connection, client.id, named, conversations, phones)
        conversations |= {*waiting.conversations, *archived.conversations}
        phones |= {*waiting.phones, *archived.phones}
        if size == (len(conversations), len(phones)):
            break
        person = find_person(
            connection,
            client,
            named,
            further_conversations=list(conversations - {*given}),
            further_phones=list(phones),
        )
        conversations |= {*person.conversations}
        phones |= {*person.phones}
    # As it is written in calls, then as it was named.
    for phone in [*person.phones, *sorted(phones)]:
        pseudonyms.add_phone(phone.strip())
        pseudonyms.add_phone(phone)
    for conversation_id in conversations:
        pseudonyms.add_conversation(conversation_id)
    for _, name, masked in person.rows.values():
        for text in (name, masked):
            if text is not None:
                pseudonyms.add_name(text)
    for name in waiting.names:
        pseudonyms.add_name(name)
    handles = connection.execute(
        "select old, phone_handle(secret, %(client_id)s, old), phone_handle(secret, %(client_id)s, new)"
        " from read_phone_secret() as secret, unnest(%(old)s::text[], %(new)s::text[]) as phone (old, new)",
        {
            "client_id": client.id,
            "old": list(pseudonyms.phones),
            "new": list(pseudonyms.phones.values()),
        },
    )
    pseudonyms.handles.update({phone: (old, new) for phone, old, new in handles})
    return person, waiting, archived


def _bites(person: Person) -> Iterator[tuple[list[UUID], list[str]]]:
    """Conversations and phones whose calls change together, about BITE_CALLS at a time; each once.

    The calls of a conversation's phone that name none go with it.
    """
    conversations: list[UUID] = []
    phones: list[str] = []
    count = 0
    lone = dict(person.lone_calls)
    for conversation_id in person.conversations:
        phone = person.rows.get(conversation_id, (None, None, None))[0]
        size = person.calls.get(conversation_id, 0) + lone.get(phone or "", 0)
        if count and count + size > BITE_CALLS:
            yield conversations, phones
            conversations, phones, count = [], [], 0
        conversations.append(conversation_id)
        if phone in person.phones:
            assert phone is not None
            phones.append(phone)
            lone.pop(phone, None)
        count += size
    with_row = {phone for phone, _, _ in person.rows.values()}
    for phone in person.phones:
        if phone in with_row:
            continue
        if count and count + lone.get(phone, 0) > BITE_CALLS:
            yield conversations, phones
            conversations, phones, count = [], [], 0
        phones.append(phone)
        count += lone.get(phone, 0)
    if conversations or phones:
        yield conversations, phones


def _batches(changes: Sequence[Change]) -> Iterator[list[Change]]:
    remaining = iter(changes)
    while batch := list(islice(remaining, BATCH_ROWS)):
        yield batch


def _own_tags(
    connection: "psycopg.Connection[Any]", client_id: UUID, person: Person
) -> list[tuple[str, str]]:
    """Tags that calls of the person have, and no others."""
    rows = connection.execute(
        """
        select tag.key, tag.value
        from (
            select
                log.tag_set_id,
                bool_and(
                    coalesce(log.conversation_id = any(%(conversations)s::uuid[]), false)
                    or coalesce(log.phone = any(%(phones)s::text[]), false)
                ) as is_own
            from usage_logs as log
            where log.client_id = %(client_id)s and log.tag_set_id > 0
            group by log.tag_set_id
        ) as used
        inner join tag_sets on tag_sets.client_id = %(client_id)s and tag_sets.id = used.tag_set_id
        cross join lateral jsonb_each_text(tag_sets.tags) as tag (key, value)
        group by tag.key, tag.value
        having bool_and(used.is_own)
        order by tag.key, tag.value
        """,
        {
            "client_id": client_id,
            "conversations": list(person.conversations),
            "phones": list(person.phones),
        },
    )
    return [(key, value) for key, value in rows]


def require_owner(connection: "psycopg.Connection[Any]", database: Database) -> None:
    """Refuses a user of the database from whom row-level security hides rows.

    Raises:
        InvalidInput: it is one.
    """
    [(is_limited, user)] = connection.execute(
        "select row_security_active('usage_logs') or not has_table_privilege('usage_logs', 'update'),"
        " current_user"
    ).fetchall()
    if is_limited:
        raise InvalidInput(
            f'"{user}" does not see all rows of {database.place}: connect as the user that owns its tables'
        )


def _require_facts(connection: "psycopg.Connection[Any]", client: Client) -> None:
    [(is_waiting,)] = connection.execute(
        "select exists (select from usage_days_to_sum where client_id = %s)", [client.id]
    ).fetchall()
    if is_waiting:
        raise InvalidInput(
            f'calls of "{client.name}" still have facts in their metadata, which an erasure would lose: run '
            '"python -m analytics migrate" first'
        )


@contextmanager
def _no_retention(database: Database, client: Client) -> Iterator[None]:
    """No calls leave the database or come back meanwhile.

    Raises:
        InvalidInput: some are doing so.
    """
    with database.transaction() as connection:
        [(is_alone, is_under_way)] = connection.execute(
            """
            select
                pg_try_advisory_xact_lock(%s),
                exists (
                    select
                    from dropped_calls
                    where
                        client_id = %s and restored_at is null
                        and (dropped_at is null or restoring_at is not null)
                )
            """,
            [locks.RETENTION, client.id],
        ).fetchall()
        if not is_alone or is_under_way:
            raise InvalidInput(
                f'calls of "{client.name}" are being dropped or brought back: let retention come to its end '
                "first, and erase again"
            )
        yield
