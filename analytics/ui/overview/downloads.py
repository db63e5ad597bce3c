"""Downloads of a period: a statement, every call, and costs for FinOps tools."""

from functools import partial

import streamlit as st

from analytics.days import Days
from analytics.exports.calls import calls_csv
from analytics.exports.days import daily_usage_by_model
from analytics.exports.files import CONTENT_TYPES, file_name
from analytics.exports.focus import focus_csv
from analytics.exports.statement import statement_pdf
from analytics.queries import Overview, load_overview
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading

# A browser's download is built in memory, about 300 bytes a call; the command line streams.
MAX_CALLS = 200_000


def show_downloads(page: Page, reading: Reading[Overview]) -> None:
    """A menu of files, each made on click. Phones are masked, unless a viewer who may see them wants them."""
    overview = reading.value
    days = Days(overview.first_day, overview.last_day)
    with st.popover("Download", icon=":material/download:", help="Files for these days"):
        is_unmasked = page.viewer.may_see_phones(page.client) and st.toggle(
            "With phone numbers", key="unmasked"
        )
        st.download_button(
            "Statement (PDF)",
            partial(_statement, page, overview, sees_phones=is_unmasked),
            file_name("pdf", page.client.name, days),
            CONTENT_TYPES["pdf"],
            icon=":material/picture_as_pdf:",
            on_click="ignore",
        )
        calls = int(overview.summary["request_count"].max())
        if calls <= MAX_CALLS:
            st.download_button(
                "Every call (CSV)",
                lambda: b"".join(calls_csv(page.database, page.client.id, days, is_unmasked=is_unmasked)),
                file_name("csv", page.client.name, days),
                CONTENT_TYPES["csv"],
                icon=":material/table_rows:",
                on_click="ignore",
            )
        else:
            st.caption(f"{calls:,} calls are too many to download in a browser. Use the command line:")
            st.code(
                f"python -m analytics export --client {page.client.id} --from {days.first} --to {days.last} "
                "--format csv --output calls.csv",
                language="bash",
            )
        st.download_button(
            "Costs per day and model (FOCUS)",
            lambda: focus_csv(daily_usage_by_model(page.database, page.client.id, days), page.client),
            file_name("focus", page.client.name, days),
            CONTENT_TYPES["focus"],
            icon=":material/account_balance:",
            on_click="ignore",
        )


def _statement(page: Page, overview: Overview, *, sees_phones: bool) -> bytes:
    if overview.sees_phones != sees_phones:
        overview = load_overview(
            page.database, page.client.id, overview.period, page.now, sees_phones=sees_phones
        )
    return statement_pdf(overview, generated_at=page.now)
