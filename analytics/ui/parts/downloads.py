"""Files of calls to download."""

from collections.abc import Sequence
from shlex import quote

import streamlit as st

from analytics.days import Days
from analytics.exports.calls import CALL_COLUMNS, calls_csv
from analytics.exports.files import CONTENT_TYPES, file_name
from analytics.ui.frame.page import Page

# A browser's download is built in memory, about 300 bytes a call; the command line streams.
MAX_CALLS = 200_000


def offer_calls(
    page: Page, days: Days, count: int, *, is_unmasked: bool, columns: Sequence[str] = CALL_COLUMNS
) -> None:
    """A button for the CSV of these calls, made on click; for too many a command that streams them."""
    if count <= MAX_CALLS:
        st.download_button(
            "Every call (CSV)",
            lambda: b"".join(
                calls_csv(
                    page.database,
                    page.client.id,
                    days,
                    is_unmasked=is_unmasked,
                    filters=page.filters,
                    columns=columns,
                )
            ),
            file_name("csv", page.client.name, days, page.filters),
            CONTENT_TYPES["csv"],
            icon=":material/table_rows:",
            on_click="ignore",
        )
        return
    st.caption(f"{count:,} calls are too many to download in a browser. Use the command line:")
    st.code(
        f"python -m analytics export --client {page.client.id} --from {days.first} --to {days.last} "
        + "".join(f"--where {quote(f'{name}={text}')} " for name, text in page.filters.query().items())
        + "--format csv --output calls.csv",
        language="bash",
    )
