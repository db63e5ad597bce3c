"""Calls that are booked with the wrong cost, and what becomes of them."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg

from analytics.corrections import Correction, CorrectionResult, Selection, apply_correction, select_calls
from analytics.database import Database
from analytics.days import Days
from tests import factories
from tests.factories import NOW

TODAY = NOW.date()


def log(client_id: UUID, **columns: Any) -> dict[str, Any]:
    """A call of gpt-4 that costs $0.0093 by the list and is booked with $0.02, with an id to know it by."""
    return factories.usage_log(client_id, **{"id": uuid4(), "cost_usd": Decimal("0.02"), **columns})


def add_price(
    connection: "psycopg.Connection[Any]",
    model: str,
    usd: str,
    client_id: UUID | None = None,
    effective_from: object = "-infinity",
) -> None:
    """Input and output of this model of openai cost so much per million tokens."""
    connection.execute(
        "insert into model_prices (source, model, input_usd, output_usd, client_id, effective_from)"
        " values ('openai', %s, %s, %s, %s, %s)",
        [model, usd, usd, client_id, effective_from],
    )


def calls(
    database: Database, client: object, first: date = TODAY, last: date = TODAY, **only: Any
) -> Selection:
    return select_calls(database, str(client), Days(first, last), **only)


def apply(database: Database, client: object, **only: Any) -> CorrectionResult:
    return apply_correction(database, calls(database, client, **only), by="ana", reason="the new contract")


def corrected(database: Database, client: object, **only: Any) -> Correction:
    """The correction, where there is something to correct."""
    correction = apply(database, client, **only).correction
    assert correction is not None
    return correction


def correct_a_call(database: Database, client_id: UUID) -> None:
    """Leaves a correction of one more call of the client's behind."""
    factories.insert_usage(database, log(client_id, phone="551"))
    corrected(database, client_id)


def stored(connection: "psycopg.Connection[Any]", *log_ids: UUID) -> list[tuple[Any, ...]]:
    """Cost, basis and metadata of these calls as they are written, in the order given."""
    return connection.execute(
        "select cost_usd::text, cost_basis, metadata::text from usage_logs where id = any (%(ids)s)"
        " order by array_position(%(ids)s, id)",
        {"ids": list(log_ids)},
    ).fetchall()


def costs(connection: "psycopg.Connection[Any]", *rows: dict[str, Any]) -> list[str]:
    """What the calls of these rows are booked with, in the order given."""
    return [cost for cost, *_ in stored(connection, *(row["id"] for row in rows))]
