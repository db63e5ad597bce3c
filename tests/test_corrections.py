"""Booked costs are corrected as a whole, recorded call by call, and restored exactly."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from analytics.corrections import (
    ModelCosts,
    Selection,
    apply_correction,
    list_corrections,
    preview,
    preview_costs,
    record,
    selection,
    undo_correction,
)
from analytics.database import Database, Query
from analytics.errors import CorrectionStopped, DataRefused, InvalidInput
from tests import factories
from tests.connections import dsn
from tests.factories import NOW
from tests.naive import wrong_sums
from tests.repricing import TODAY, add_price, apply, calls, corrected, costs, log, stored

PRICE = {"list": "installation", "model": "gpt-4"}


@pytest.fixture
def connection(database: Database) -> Iterator["psycopg.Connection[Any]"]:
    """Beside the pool."""
    with psycopg.connect(dsn(database.url), autocommit=True) as own:
        yield own


def test_a_correction_changes_only_what_differs_and_is_recorded_call_by_call(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    wrong = log(acme, metadata={"note": "mine", "price": {"list": "client"}})
    bare, right = log(acme, cost_usd=Decimal("0.01")), log(acme, cost_usd=Decimal("0.0093000"))
    given = log(acme, cost_usd=Decimal(7), cost_basis="given")
    unknown = log(acme, model="nobody-knows", cost_usd=Decimal("0.5"))
    factories.insert_usage(database, wrong, bare, right, given, unknown)
    untouched = stored(connection, right["id"], given["id"], unknown["id"])

    outcome = apply(database, "Acme")

    assert connection.execute(
        "select cost_usd, cost_basis, metadata from usage_logs where id in (%s, %s)"
        " order by metadata ? 'note'",
        [wrong["id"], bare["id"]],
    ).fetchall() == [
        (Decimal("0.0093"), "priced", {"price": PRICE}),
        (Decimal("0.0093"), "priced", {"note": "mine", "price": PRICE}),
    ]
    assert stored(connection, right["id"], given["id"], unknown["id"]) == untouched
    assert outcome.skipped_count == 0
    (correction,) = list_corrections(database, client="Acme")
    assert outcome.correction == correction
    assert (correction.corrected_by, correction.reason) == ("ana", "the new contract")
    assert (correction.first_date, correction.last_date, correction.timezone) == (TODAY, TODAY, "UTC")
    assert (correction.request_count, correction.undone_at) == (2, None)
    assert (correction.cost_before_usd, correction.cost_after_usd) == (Decimal("0.03"), Decimal("0.0186"))
    assert connection.execute(
        "select usage_log_id, cost_before_usd, cost_after_usd, price_before, price_after"
        " from cost_correction_items where correction_id = %s order by cost_before_usd desc",
        [correction.id],
    ).fetchall() == [
        (wrong["id"], Decimal("0.02"), Decimal("0.0093"), {"list": "client"}, PRICE),
        (bare["id"], Decimal("0.01"), Decimal("0.0093"), None, PRICE),
    ]
    assert wrong_sums(connection) == []


def test_a_correction_does_what_the_preview_promised_and_leaves_nothing_to_do(
    database: Database, acme: UUID
) -> None:
    factories.insert_usage(database, log(acme), log(acme, cost_usd=Decimal(0), cost_basis="unpriced"))

    promised = preview_costs(database, calls(database, acme))
    outcome = apply(database, acme)
    again = apply(database, acme)

    assert outcome.repricing == promised
    assert again.correction is None
    assert again.repricing.total == ModelCosts(
        request_count=2, booked_usd=Decimal("0.0186"), repriced_usd=Decimal("0.0186")
    )
    assert len(list_corrections(database)) == 1


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"price": None},
        {"price": {"reason": "no price is known"}, "note": "mine"},
        {"note": "mine", "nested": {"price": 1}},
        Jsonb([1, "price"]),
        Jsonb("price"),
        Jsonb(None),
    ],
)
def test_undoing_restores_each_call_as_it_was_written(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]", metadata: object
) -> None:
    booked = log(acme, metadata=metadata, cost_usd=Decimal("0.0200000"))
    unpriced = log(acme, metadata=metadata, cost_usd=Decimal("0.000"), cost_basis="unpriced")
    factories.insert_usage(database, booked, unpriced)
    before = stored(connection, booked["id"], unpriced["id"])
    correction = corrected(database, acme)
    assert list(map(Decimal, costs(connection, booked, unpriced))) == [Decimal("0.0093")] * 2

    undoing = undo_correction(database, str(correction.id), by="bob")

    assert stored(connection, booked["id"], unpriced["id"]) == before
    assert (undoing.restored_count, undoing.changed_count, undoing.deleted_count) == (2, 0, 0)
    (undone,) = list_corrections(database)
    assert undone.undone_by == "bob"
    assert undone.undone_at is not None
    assert wrong_sums(connection) == []


def test_corrections_of_the_same_calls_are_undone_backwards(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    add_price(connection, "other", "1")
    first_call, second_call = log(acme), log(acme, model="other")
    factories.insert_usage(database, first_call, second_call)
    before = stored(connection, first_call["id"], second_call["id"])
    both = corrected(database, acme)
    connection.execute("update model_prices set input_usd = 60 where model = 'gpt-4'")
    one = corrected(database, acme)
    connection.execute("update model_prices set input_usd = 2 where model = 'other'")
    another = corrected(database, acme)

    with pytest.raises(InvalidInput, match=f"{both.id} cannot be undone: correction {another.id} of "):
        undo_correction(database, str(both.id), by="bob")
    # The two of different calls do not stand on each other.
    undo_correction(database, str(one.id).upper(), by="bob")
    with pytest.raises(InvalidInput, match=r'\("the new contract"\) changed some of .*: undo that one first'):
        undo_correction(database, str(both.id), by="bob")
    undo_correction(database, str(another.id), by="bob")
    undo_correction(database, str(both.id), by="bob")

    assert stored(connection, first_call["id"], second_call["id"]) == before
    with pytest.raises(InvalidInput, match=f"correction {both.id} was undone by bob at .*: there is nothing"):
        undo_correction(database, str(both.id), by="bob")


def test_undoing_leaves_calls_that_were_changed_or_deleted_since(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    rows = [log(acme, metadata={"place": place}) for place in range(6)]
    factories.insert_usage(database, *rows)
    correction = corrected(database, acme)
    ids = [row["id"] for row in rows]
    connection.execute("update usage_logs set cost_usd = 9 where id = %s", [ids[0]])
    connection.execute("update usage_logs set cost_basis = 'given' where id = %s", [ids[1]])
    connection.execute("update usage_logs set metadata = metadata - 'price' where id = %s", [ids[2]])
    connection.execute(
        "update usage_logs set metadata = metadata || '{\"place\": 33}' where id = %s", [ids[3]]
    )
    connection.execute("delete from usage_logs where id = %s", [ids[4]])
    since = stored(connection, *ids[:3])

    undoing = undo_correction(database, str(correction.id), by="bob")

    assert (undoing.restored_count, undoing.changed_count, undoing.deleted_count) == (2, 3, 1)
    assert stored(connection, *ids) == [
        *since,
        ("0.02", "priced", '{"place": 33}'),
        ("0.02", "priced", '{"place": 5}'),
    ]
    assert wrong_sums(connection) == []


@pytest.mark.parametrize("correction_id", ["abc", "", str(UUID(int=5)), "' or true --"])
def test_undoing_what_is_no_correction(database: Database, correction_id: str) -> None:
    with pytest.raises(InvalidInput, match=f'no correction has the id "{correction_id}" in .* lists them'):
        undo_correction(database, correction_id, by="bob")


def test_corrections_are_listed_newest_first(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    other = factories.client(database, name="Other")
    factories.insert_usage(database, log(acme), log(other))
    first = corrected(database, acme)
    connection.execute("update model_prices set input_usd = 60 where model = 'gpt-4'")
    second, third = corrected(database, acme), corrected(database, other)

    assert [each.id for each in list_corrections(database)] == [third.id, second.id, first.id]
    assert list_corrections(database, client=str(other)) == [third]


def test_many_batches_are_one_correction(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "BATCH_ROWS", 4)
    monkeypatch.setattr(preview, "FETCHED_ROWS", 3)
    rows = [log(acme, created_at=NOW - timedelta(minutes=place)) for place in range(12)]
    factories.insert_usage(database, *rows)
    before = stored(connection, *(row["id"] for row in rows))

    correction = corrected(database, acme)

    assert (correction.request_count, correction.cost_after_usd) == (12, 12 * Decimal("0.0093"))
    assert set(map(Decimal, costs(connection, *rows))) == {Decimal("0.0093")}
    assert wrong_sums(connection) == []
    assert undo_correction(database, str(correction.id), by="bob").restored_count == 12
    assert stored(connection, *(row["id"] for row in rows)) == before
    assert wrong_sums(connection) == []


def test_a_correction_is_all_or_nothing(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "BATCH_ROWS", 1)
    rows = [log(acme, id=UUID(int=number)) for number in (1, 2, 3)]
    factories.insert_usage(database, *rows)
    connection.execute(
        "alter table usage_logs add check (cost_usd = 0.02 or id <> '00000000-0000-0000-0000-000000000003')"
    )

    with pytest.raises(DataRefused):
        apply(database, acme)

    assert costs(connection, *rows) == ["0.02"] * 3
    assert list_corrections(database) == []
    assert connection.execute("select from cost_correction_items").fetchall() == []


@pytest.fixture
def three_days(database: Database, acme: UUID, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Two wrong calls a day, and bites of one day."""
    monkeypatch.setattr(selection, "BITE_CALLS", 1)
    rows = [
        log(acme, id=UUID(int=number + 1), created_at=NOW - timedelta(days=number // 2))
        for number in range(6)
    ]
    factories.insert_usage(database, *rows)
    return rows


def all_days(database: Database, acme: UUID) -> Selection:
    return calls(database, acme, first=TODAY - timedelta(days=9))


def test_a_correction_in_bites_is_one_and_tells_how_far_it_is(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]", three_days: list[dict[str, Any]]
) -> None:
    told: list[int] = []
    promised = preview_costs(database, all_days(database, acme))

    outcome = apply_correction(
        database, all_days(database, acme), by="ana", reason="the new contract", report=told.append
    )

    assert told == [2, 4, 6]
    assert outcome.repricing == promised
    assert outcome.correction is not None
    assert list_corrections(database) == [outcome.correction]
    assert (outcome.correction.request_count, outcome.correction.cost_before_usd) == (6, Decimal("0.12"))
    assert outcome.correction.cost_after_usd == 6 * Decimal("0.0093")
    assert (outcome.correction.first_date, outcome.correction.last_date) == (TODAY - timedelta(days=9), TODAY)
    assert outcome.skipped_count == 0
    assert wrong_sums(connection) == []
    undo_correction(database, str(outcome.correction.id), by="bob")
    assert costs(connection, *three_days) == ["0.02"] * 6


def test_what_was_corrected_before_a_failure_is_recorded_and_can_go_on_or_back(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]", three_days: list[dict[str, Any]]
) -> None:
    connection.execute(
        "alter table usage_logs add constraint x"
        " check (cost_usd = 0.02 or id <> '00000000-0000-0000-0000-000000000001')"
    )
    with pytest.raises(
        CorrectionStopped, match=r"; 4 calls were corrected until then, in correction .*: run it"
    ):
        apply_correction(database, all_days(database, acme), by="ana", reason="x")
    assert costs(connection, *three_days) == ["0.02"] * 2 + ["0.00930"] * 4
    [half] = list_corrections(database)
    assert (half.request_count, half.cost_before_usd) == (4, Decimal("0.08"))

    connection.execute("alter table usage_logs drop constraint x")
    rest = apply_correction(database, all_days(database, acme), by="ana", reason="x").correction
    assert rest is not None
    assert rest.request_count == 2
    for each in (half, rest):
        undo_correction(database, str(each.id), by="bob")
    assert costs(connection, *three_days) == ["0.02"] * 6
    assert wrong_sums(connection) == []


def test_an_undoing_that_was_interrupted_goes_on(
    database: Database,
    acme: UUID,
    connection: "psycopg.Connection[Any]",
    three_days: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = apply_correction(database, all_days(database, acme), by="ana", reason="x").correction
    assert made is not None
    monkeypatch.setattr(record, "BATCH_ROWS", 2)
    connection.execute(
        "alter table usage_logs add constraint x"
        " check (cost_usd <> 0.02 or id <> '00000000-0000-0000-0000-000000000006')"
    )
    with pytest.raises(DataRefused):
        undo_correction(database, str(made.id), by="bob")
    assert costs(connection, *three_days)[:4] == ["0.02"] * 4
    assert list_corrections(database)[0].undone_at is None

    connection.execute("alter table usage_logs drop constraint x")
    told: list[int] = []
    undoing = undo_correction(database, str(made.id), by="bob", report=told.append)
    assert told == [2, 4, 6, 6]
    assert (undoing.restored_count, undoing.changed_count, undoing.deleted_count) == (6, 0, 0)
    assert costs(connection, *three_days) == ["0.02"] * 6


def test_a_reader_sees_only_the_corrections_of_its_client(database: Database, acme: UUID) -> None:
    other = factories.client(database, name="Other")
    factories.insert_usage(database, log(acme), log(other))
    apply(database, acme)
    apply(database, other)

    for table in ("cost_corrections", "cost_correction_items"):
        (rows,) = database.read(Query(statement=f"select client_id from {table}"), client_id=acme)  # noqa: S608
        assert rows.records == [(acme,)]


def test_corrections_go_with_their_client(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    factories.insert_usage(database, log(acme))
    apply(database, acme)

    connection.execute("delete from clients where id = %s", [acme])

    assert list_corrections(database) == []
    assert connection.execute("select from cost_correction_items").fetchall() == []
