"""Days of which only sums are kept: whatever needs calls says so, instead of showing nothing."""

from analytics.clients import Client
from analytics.days import Days
from analytics.formatting import day
from analytics.queries.filters import HAS, NO_FILTERS, Filters
from analytics.queries.ranges import RANGES


def reads_calls(filters: Filters) -> bool:
    """Whether these filters are answered from calls: no sums are kept of what they ask for."""
    return any(
        condition.name in ("basis", "conversation", "correction", *RANGES) or condition.name.startswith(HAS)
        for condition in filters.conditions
    )


def sums_only(
    client: Client, days: Days, filters: Filters = NO_FILTERS, *, are_calls: bool = False
) -> str | None:
    """What is missing on these days, as a sentence; None where nothing is.

    `are_calls`: single calls are shown, whatever the filters; else sums, which some filters take from calls.
    """
    if client.raw_since is None or days.first >= client.raw_since:
        return None
    if not are_calls and not reads_calls(filters):
        return None
    since = day(client.raw_since)
    what = "what is shown here" if are_calls else "what these filters ask for"
    return (
        f"The calls before {since} are kept as sums only: {what} needs calls, and is of {since} and later. "
        'They may be in an archive, from which "python -m analytics retention restore" brings them back.'
    )
