"""What is known of sums of costs: a call without a price adds nothing to one, which makes it no smaller."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def known_costs(
    frame: "pd.DataFrame",
    cost: str = "total_cost",
    unpriced: str = "unpriced_count",
    requests: str = "request_count",
) -> "pd.Series[float]":
    """The costs as float, for display; missing where no call of the row has a price."""
    unknown = (frame[unpriced] > 0) & (frame[unpriced] == frame[requests])
    return frame[cost].astype("float64").mask(unknown)


def partly_known(frame: "pd.DataFrame") -> "pd.Series[bool]":
    """Where a cost is only a lower bound, as some of the calls have no price."""
    partly: pd.Series[bool] = (frame["unpriced_count"] > 0) & (
        frame["unpriced_count"] < frame["request_count"]
    )
    return partly
