"""All that may name a person besides calls, conversations and their sums: tags, budgets, alerts, notes, and
what other calls say in their metadata."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

from analytics.people.person import Named
from analytics.people.pseudonyms import LEAST_DIGITS, Pseudonyms
from analytics.people.within import HOLDS, looked_for
from analytics.queries.filters import TAG

BATCH_ROWS = 1_000

WORDS: Mapping[str, Sequence[str]] = {
    "api_keys": ("name",),
    "budgets": ("name",),
    "cost_corrections": ("reason",),
    "model_prices": ("reference", "note"),
}
"""What people write, per table of one client with an id."""


@dataclass(frozen=True)
class Change:
    """A row that names the person: what some of its columns say, and what they say without."""

    table: str
    key: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def apply(self, connection: "psycopg.Connection[Any]") -> None:
        """Writes it, unless somebody else changed these columns meanwhile."""
        values: dict[str, Any] = {}
        for words in (self.key, self.before, self.after):
            values |= {f"value{len(values) + place}": value for place, value in enumerate(words.values())}
        names = iter(values)
        where = [sql.SQL("{} = {}").format(sql.Identifier(name), _next(names)) for name in self.key]
        where += [sql.SQL("{} = {}").format(sql.Identifier(name), _next(names)) for name in self.before]
        made = [sql.SQL("{} = {}").format(sql.Identifier(name), _next(names)) for name in self.after]
        statement = sql.SQL("update {} set {} where {}").format(
            sql.Identifier(self.table), sql.SQL(", ").join(made), sql.SQL(" and ").join(where)
        )
        connection.execute(statement, values)


def _next(names: Iterator[str]) -> sql.Placeholder:
    return sql.Placeholder(next(names))


def mentions(
    connection: "psycopg.Connection[Any]", client_id: UUID, pseudonyms: Pseudonyms
) -> Iterator[Change]:
    """Metadata and ids of others' calls that hold one of the phones or conversations; and the prices of
    corrections, which were in such metadata."""
    values = {
        "client_id": client_id,
        "phones": list(pseudonyms.phones),
        "conversations": list(pseudonyms.conversations),
        **looked_for(pseudonyms),
    }
    with connection.cursor("mentions") as cursor:
        cursor.execute(_IN_CALLS, values)
        for call_id, *texts in cursor:
            yield from _change(
                "usage_logs",
                {"client_id": client_id, "id": call_id},
                *_told(("metadata", "operation_id", "response_id", "account"), texts, pseudonyms),
            )
    with connection.cursor("prices") as cursor:
        cursor.execute(_IN_ITEMS, values)
        for correction_id, call_id, *texts in cursor:
            key = {"client_id": client_id, "correction_id": correction_id, "usage_log_id": call_id}
            yield from _change(
                "cost_correction_items", key, *_told(("price_before", "price_after"), texts, pseudonyms)
            )


def _told(
    names: Sequence[str], texts: Sequence[str | None], pseudonyms: Pseudonyms
) -> tuple[dict[str, str], dict[str, str]]:
    """What these columns say, and what they say without the person; null says nothing."""
    before = {name: text for name, text in zip(names, texts, strict=True) if text is not None}
    jsons = ("metadata", "price_before", "price_after")
    after = {
        name: pseudonyms.json(text) if name in jsons else pseudonyms.text(text)
        for name, text in before.items()
    }
    return before, after


_IN_CALLS: LiteralString = f"""
    select id, metadata::text, operation_id, response_id, account
    from usage_logs
    where
        client_id = %(client_id)s
        and not coalesce(conversation_id = any(%(conversations)s::uuid[]), false)
        and not coalesce(phone = any(%(phones)s::text[]), false)
        and {HOLDS.format(text="concat_ws(' ', metadata::text, operation_id, response_id, account)")}
"""  # noqa: S608 - constants of this file
_IN_ITEMS: LiteralString = f"""
    select correction_id, usage_log_id, price_before::text, price_after::text
    from cost_correction_items
    where
        client_id = %(client_id)s
        and {HOLDS.format(text="concat_ws(' ', price_before::text, price_after::text)")}
"""  # noqa: S608 - constants of this file


def name_tags(
    connection: "psycopg.Connection[Any]",
    client_id: UUID,
    named: Named,
    pseudonyms: Pseudonyms,
    archived_sets: Mapping[int, bool],
) -> Iterator[Change]:
    """The sets of tags that name the person, whose values get pseudonyms; what else has them follows.

    A value is the person's that was named, that holds a phone or a conversation's id, or that is a name of
    the person's conversations and on no call of others; `archived_sets` says of sets whether all calls in
    archives that have them are the person's.
    """
    rows = connection.execute(
        "select id, tags from tag_sets where client_id = %s order by id", [client_id]
    ).fetchall()
    names = {name.strip().lower() for name in pseudonyms.names} | {
        phone for phone in pseudonyms.phones if len(phone) < LEAST_DIGITS
    }
    alike = [
        set_id for set_id, tags in rows if any(str(value).strip().lower() in names for value in tags.values())
    ]
    own = _sets_of_nobody_else(connection, client_id, alike, pseudonyms, archived_sets)
    wanted = set(named.tags)
    for key, value in named.tags:
        pseudonyms.tags[key, value] = pseudonyms.phones.get(value) or pseudonyms.of(value)
    there = [tags for _, tags in rows]
    for set_id, tags in rows:
        changed: dict[str, Any] = {}
        for key, value in tags.items():
            text = str(value)
            new_key = pseudonyms.key(key)
            is_named = (key, text) in wanted or (text.strip().lower() in names and set_id in own)
            if text in pseudonyms.phones and (is_named or len(text) >= LEAST_DIGITS):
                changed[new_key] = pseudonyms.phones[text]
            elif is_named or pseudonyms.text(text) != text:
                changed[new_key] = pseudonyms.of(text)
            else:
                changed[new_key] = value
            if changed[new_key] != value:
                pseudonyms.tags[key, text] = changed[new_key]
        if changed != tags:
            # Tags that came again while they were erased: each set is kept once.
            if changed in there:
                changed = {
                    key: value if value in tags.values() else pseudonyms.of(f"{set_id} {value}")
                    for key, value in changed.items()
                }
            there.append(changed)
            key_of_set = {"client_id": client_id, "id": set_id}
            yield Change("tag_sets", key_of_set, {"tags": json.dumps(tags)}, {"tags": json.dumps(changed)})


def _sets_of_nobody_else(
    connection: "psycopg.Connection[Any]",
    client_id: UUID,
    sets: Sequence[int],
    pseudonyms: Pseudonyms,
    archived_sets: Mapping[int, bool],
) -> set[int]:
    """Those sets of tags that no call of others has. Of one whose calls are nowhere any more nobody knows."""
    if not sets:
        return set()
    labels = list(pseudonyms.phones.values())
    rows = connection.execute(
        """
        select
            tag_set_id,
            bool_and(
                coalesce(conversation_id = any(%(conversations)s::uuid[]), false)
                or coalesce(phone = any(%(phones)s::text[]), false)
                or coalesce(metadata ->> 'erased' = %(label)s, false)
            )
        from usage_logs
        where client_id = %(client_id)s and tag_set_id = any(%(sets)s::integer[])
        group by tag_set_id
        """,
        {
            "client_id": client_id,
            "sets": list(sets),
            "conversations": [*pseudonyms.conversations, *pseudonyms.conversations.values()],
            "phones": [*pseudonyms.phones, *labels],
            "label": pseudonyms.label,
        },
    )
    stored = dict(rows.fetchall())
    return {set_id for set_id in sets if stored.get(set_id, True) and archived_sets.get(set_id, True)}


def texts_elsewhere(
    connection: "psycopg.Connection[Any]", client_id: UUID, pseudonyms: Pseudonyms
) -> Iterator[Change]:
    """Budgets, alerts and notes that name the person."""
    for table, columns in WORDS.items():
        statement = sql.SQL("select id, {} from {} where client_id = %s").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(table)
        )
        for row_id, *texts in connection.execute(statement, [client_id]).fetchall():
            before = {name: text for name, text in zip(columns, texts, strict=True) if text is not None}
            after = {name: pseudonyms.words(text) for name, text in before.items()}
            yield from _change(table, {"id": row_id}, before, after)
    yield from _filters(connection, client_id, pseudonyms)
    yield from _alerts(connection, client_id, pseudonyms)


def _change(
    table: str, key: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Change]:
    changed = {name: value for name, value in after.items() if value != before[name]}
    if changed:
        yield Change(table, key, {name: before[name] for name in changed}, changed)


def _filters(
    connection: "psycopg.Connection[Any]", client_id: UUID, pseudonyms: Pseudonyms
) -> Iterator[Change]:
    """What budgets count: the same calls as before, by what they are called now.

    A budget of all clients goes on counting those of others that have the same tag.
    """
    rows = connection.execute(
        "select id, client_id, filters::text, split_by from budget_versions"
        " where client_id = %s or client_id is null",
        [client_id],
    ).fetchall()
    for version_id, owner, text, split_by in rows:
        conditions = json.loads(text)
        for condition in conditions:
            name, values = condition.get("name"), condition.get("values")
            if not isinstance(name, str) or not isinstance(values, list):
                continue
            changed: list[Any] = []
            for value in values:
                new = value
                if isinstance(value, str) and name.startswith(TAG):
                    new = pseudonyms.tag(name.removeprefix(TAG), value)
                elif isinstance(value, str):
                    new = pseudonyms.text(value)
                if new != value and owner is None and _others_have(connection, client_id, name, value):
                    changed.append(value)
                changed.append(new)
            condition["values"] = changed
            if owner is not None and name.startswith(TAG):
                condition["name"] = TAG + pseudonyms.key(name.removeprefix(TAG))
        after = {"filters": text if conditions == json.loads(text) else json.dumps(conditions)}
        if split_by is not None and owner is not None:
            after["split_by"] = pseudonyms.key(split_by)
        before = {"filters": text, "split_by": split_by}
        yield from _change("budget_versions", {"id": version_id}, before, after)


def _others_have(connection: "psycopg.Connection[Any]", client_id: UUID, name: str, value: str) -> bool:
    [(is_there,)] = connection.execute(
        "select exists (select from tag_sets where client_id <> %s and tags ->> %s = %s)",
        [client_id, name.removeprefix(TAG), value],
    ).fetchall()
    return bool(is_there)


def _alerts(
    connection: "psycopg.Connection[Any]", client_id: UUID, pseudonyms: Pseudonyms
) -> Iterator[Change]:
    rows = connection.execute(
        "select event.id, event.subject, event.evidence::text, version.split_by"
        " from alert_events as event"
        " left join budget_versions as version on event.budget_version_id = version.id"
        " where event.client_id = %s",
        [client_id],
    ).fetchall()
    keys = {key for key, _ in pseudonyms.tags}
    back = {pseudonyms.key(key): key for key in keys}
    for event_id, subject, evidence, split_by in rows:
        key = back.get(split_by, split_by)
        after = {
            "subject": pseudonyms.text(subject) if key is None else pseudonyms.tag(key, subject),
            "evidence": pseudonyms.json(evidence, pseudonyms.evidence),
        }
        before = {"subject": subject, "evidence": evidence}
        yield from _change("alert_events", {"id": event_id}, before, after)
    deliveries = connection.execute(
        "select delivery.id, delivery.last_error from alert_deliveries as delivery"
        " inner join alert_events as event on delivery.event_id = event.id"
        " where event.client_id = %s and delivery.last_error is not null",
        [client_id],
    ).fetchall()
    checks = connection.execute("select id, error from alert_checks where error is not null").fetchall()
    for table, column, found in (
        ("alert_deliveries", "last_error", deliveries),
        ("alert_checks", "error", checks),
    ):
        for row_id, text in found:
            yield from _change(table, {"id": row_id}, {column: text}, {column: pseudonyms.text(text)})
