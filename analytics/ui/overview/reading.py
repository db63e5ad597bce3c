"""Reading the Overview's numbers."""

from datetime import datetime

from analytics.clients import Client
from analytics.database import Database
from analytics.queries import Overview, Period, Unit, load_overview
from analytics.ui.frame import reads
from analytics.ui.frame.reads import Reading


def read_overview(
    database: Database, client: Client, period: Period, order: Unit, now: datetime, *, sees_phones: bool
) -> Reading[Overview]:
    """The Overview's numbers, by reads.read(). Folds in the background where much is pending."""
    reading = reads.read(
        database,
        ("overview", client.id, period, order, sees_phones),
        lambda moment: load_overview(database, client.id, period, moment, order, sees_phones=sees_phones),
        now,
    )
    if reading.value.has_many_pending and reading.failure is None:
        reads.fold(database, reading.loaded_at)
    return reading
