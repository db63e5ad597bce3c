"""Downloads of a period: a statement, every call, and costs for FinOps tools."""

from functools import partial

import streamlit as st

from analytics.days import Days
from analytics.exports.files import CONTENT_TYPES, file_name
from analytics.exports.focus import focus_csv
from analytics.exports.statement import statement_pdf
from analytics.queries import Overview, load_overview
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.parts.downloads import offer_calls


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
            file_name("pdf", page.client.name, days, page.filters),
            CONTENT_TYPES["pdf"],
            icon=":material/picture_as_pdf:",
            on_click="ignore",
        )
        offer_calls(page, days, int(overview.summary["request_count"].max()), is_unmasked=is_unmasked)
        st.download_button(
            "Costs per day, model and meter (FOCUS)",
            lambda: focus_csv(page.database, page.client, days, filters=page.filters),
            file_name("focus", page.client.name, days, page.filters),
            CONTENT_TYPES["focus"],
            icon=":material/account_balance:",
            on_click="ignore",
        )


def _statement(page: Page, overview: Overview, *, sees_phones: bool) -> bytes:
    if overview.sees_phones != sees_phones:
        overview = load_overview(
            page.database,
            page.client.id,
            overview.period,
            page.now,
            sees_phones=sees_phones,
            filters=page.filters,
        )
    return statement_pdf(overview, generated_at=page.now)
