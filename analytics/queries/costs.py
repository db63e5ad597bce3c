"""Known costs: the sum of calls without a price is unknown, not 0."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def known_costs(
    frame: "pd.DataFrame",
    cost: str = "total_cost",
    unpriced: str = "unpriced_count",
    requests: str = "request_count",
) -> "pd.Series[float]":
    """The costs as float, for display; missing if no call of the row has a price."""
    unknown = (frame[unpriced] > 0) & (frame[unpriced] == frame[requests])
    return frame[cost].astype("float64").mask(unknown)


def partly_known(frame: "pd.DataFrame") -> "pd.Series[bool]":
    """Whether a cost is a lower bound: some calls of the row have no price."""
    partly: pd.Series[bool] = (frame["unpriced_count"] > 0) & (
        frame["unpriced_count"] < frame["request_count"]
    )
    return partly
