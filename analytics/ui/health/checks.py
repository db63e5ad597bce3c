"""Data health: checks with their remedies, the worst first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from analytics import formatting
from analytics.health import Check, State, client_checks, installation_checks, sums_check
from analytics.ui.frame import reads
from analytics.ui.frame.messages import escaped, explained
from analytics.ui.frame.page import PAGES, Page, path_of
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.state import Scope, recall, remember
from analytics.ui.frame.ways import Way, show_ways, to_meaning
from analytics.ui.parts.headings import show_heading

_ICONS: dict[State, str] = {
    "fail": ":red[:material/error:]",
    "warn": ":orange[:material/warning:]",
    "ok": ":green[:material/check_circle:]",
    "unknown": ":gray[:material/help:]",
}


@dataclass(frozen=True, kw_only=True)
class _SumsCheck:
    """A comparison of sums with calls, for the page that asked for it."""

    scope: Scope
    check: Check
    at: datetime


def read_client_checks(page: Page) -> Reading[Sequence[Check]]:
    """Checks of the calls of the page's client and period."""
    return reads.read(
        page.database,
        ("client checks", page.client.id, page.days),
        lambda moment: client_checks(page.database, page.client.id, page.days, moment),
        page.now,
    )


def read_installation_checks(page: Page) -> Reading[Sequence[Check]] | None:
    """Checks of the installation; None for viewers who may not see all clients."""
    if not page.viewer.sees_all_clients:
        return None
    return reads.read(
        page.database,
        ("installation checks", page.days),
        lambda moment: installation_checks(page.database, page.days, moment),
        page.now,
    )


def show_health_summary(*parts: Reading[Sequence[Check]] | None) -> None:
    """One sentence: whether something needs attention."""
    states = [check.state for part in parts if part is not None for check in part.value]
    failed, warned = states.count("fail"), states.count("warn")
    checks = formatting.plural(len(states), "check")
    if failed:
        to_see = f"; {warned} more {_needs(warned)} attention" if warned else ""
        st.error(f"**{failed} of {checks} failed**{to_see}.", icon=":material/error:")
    elif warned:
        st.warning(
            f"**{warned} of {checks} {_needs(warned)} attention**; nothing failed.", icon=":material/warning:"
        )
    else:
        st.success(f"**All is well**: {checks}, nothing to do.", icon=":material/check_circle:")


def _needs(count: int) -> str:
    return "needs" if count == 1 else "need"


def show_checks(title: str, part: Reading[Sequence[Check]] | None) -> None:
    """A panel of checks, the worst first."""
    if part is None:
        return
    order: tuple[State, ...] = ("fail", "warn", "unknown", "ok")
    with st.container(border=True, gap="small", key=f"checks {title}"):
        show_heading(escaped(title))
        for check in sorted(part.value, key=lambda check: order.index(check.state)):
            _check(check)


def show_sums_check(page: Page) -> None:
    """A button that compares the sums with every call of the period."""
    with st.container(border=True, gap="small", key="sums"):
        show_heading("Sums against the calls")
        st.caption(
            "All pages show sums that each call updates. This adds up every call of the period again and "
            "compares. It reads them all, so it may take a while."
        )
        if st.button("Compare now", icon=":material/rule:"):
            with explained(), st.spinner("Adding up every call"):
                check = sums_check(page.database, page.client.id, page.days)
            remember(_SumsCheck(scope=page.scope, check=check, at=page.now))
        last = recall(_SumsCheck)
        if last is not None and last.scope == page.scope:
            _check(last.check)
            st.caption(f"Compared at {last.at:%H:%M:%S} UTC.")


def _check(check: Check) -> None:
    name, finding = st.columns([1, 3], gap="xxsmall")
    name.markdown(f"{_ICONS[check.state]} **{escaped(check.name)}**")
    remedy = (
        f"  \n:gray[:material/subdirectory_arrow_right: {_sentence(check.remedy)}]" if check.remedy else ""
    )
    finding.markdown(f"{_sentence(check.finding)}{remedy}")
    with finding:
        show_ways(_ways(check), key=check.name)


def _ways(check: Check) -> Iterator[Way]:
    """The way to what a check tells of; where it counts what no page shows, to what that is."""
    if check.calls is not None:
        yield Way(
            page="calls",
            text="Show these calls",
            only=check.calls,
            keeps_filters=False,
            parts={"days": check.days} if check.days else {},
        )
    elif check.page is not None:
        [title] = [title for file, title, _ in PAGES if path_of(file) == check.page]
        yield Way(page=check.page, text=f"See {title}", keeps_filters=False)
    elif any(map(str.isdigit, check.finding)):
        yield to_meaning("What this means")


def _sentence(text: str) -> str:
    return escaped(f"{text[:1].upper()}{text[1:]}.")
