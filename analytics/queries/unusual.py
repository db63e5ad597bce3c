"""Days on which a client spent far more than usual, by the rule of analytics.forecasting."""

from datetime import date, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from analytics.database import Database, Query

if TYPE_CHECKING:
    from analytics.forecasting import Anomaly

LOOKED_BACK_DAYS = 120
"""What is usual, is what so many days tell."""
_MOST_DAYS = 0.5

_DAILY = """
    select usage_date, sum(cost_usd)::float8
    from usage_daily
    where client_id = %(client_id)s and usage_date between %(first)s and %(last)s
    group by usage_date
"""


def unusual_days(
    database: Database, client_id: UUID, today: date, sensitivity: str = "normal"
) -> "list[Anomaly]":
    """The days before today whose cost stands out against the days before them, oldest first.

    `sensitivity` is one of forecasting.SENSITIVITIES.
    """
    import numpy as np

    from analytics.forecasting import find_anomalies

    first = today - timedelta(days=LOOKED_BACK_DAYS)
    parameters = {"client_id": client_id, "first": first, "last": today - timedelta(days=1)}
    [rows] = database.read(Query(statement=_DAILY, parameters=parameters), client_id=client_id)
    values = np.zeros(LOOKED_BACK_DAYS)
    for day, spent in rows.records:
        values[(day - first).days] = max(spent, 0.0)
    used = values[values.nonzero()[0].min(initial=len(values)) :]
    # Of who calls on few days, any day is unusual.
    if np.count_nonzero(used) < len(used) * _MOST_DAYS:
        return []
    return find_anomalies(values, first, sensitivity=sensitivity)
