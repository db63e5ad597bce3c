"""Forecasts of daily sums, what they were worth, and days that stand out: numpy alone, no database.

docs/budgets.md says the rules and the limits in plain words.
"""

from analytics.forecasting.anomalies import Anomaly, Burst, find_anomalies, find_bursts
from analytics.forecasting.known import KnownChange, PartOfDay, share_of_day
from analytics.forecasting.paths import Band, Forecast, RunOut, TooShort, run_out
from analytics.forecasting.simulation import ENOUGH_DAYS, NEEDED_DAYS, forecast
from analytics.forecasting.worth import PastForecast, PastWorth, past_worth

__all__ = [
    "ENOUGH_DAYS",
    "NEEDED_DAYS",
    "Anomaly",
    "Band",
    "Burst",
    "Forecast",
    "KnownChange",
    "PartOfDay",
    "PastForecast",
    "PastWorth",
    "RunOut",
    "TooShort",
    "find_anomalies",
    "find_bursts",
    "forecast",
    "past_worth",
    "run_out",
    "share_of_day",
]
