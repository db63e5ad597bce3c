"""What was told: alerts of the client, who has seen them, and what nobody is told of."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import streamlit as st

from analytics import formatting
from analytics.alerts import acknowledge, mute, unmute
from analytics.errors import AnalyticsError
from analytics.queries import is_filter
from analytics.queries.alerts import Alert, AlertState, Mute, alert_state, load_alerts, load_mutes
from analytics.ui.budgets.people import named, who
from analytics.ui.frame import reads
from analytics.ui.frame.messages import escaped, show_refusal, with_dollars
from analytics.ui.frame.page import PAGES, Page, path_of
from analytics.ui.frame.ways import OPENS, Way, show_way
from analytics.ui.parts.headings import show_heading

_SHOWN = 20
_MUTED = timedelta(days=1)
_ICONS = {True: ":red[:material/notifications_active:]", False: ":gray[:material/check:]"}


def show_alerts(page: Page) -> None:
    """The newest alerts, open ones first; administrators note that they saw them, and mute channels."""
    sees_all = page.viewer.sees_all_clients
    found = reads.read(
        page.database,
        ("alerts", page.client.id, sees_all),
        lambda moment: _load(page, moment, sees_all=sees_all),
        page.now,
    ).value
    alerts, state, mutes = found
    with st.container(border=True, key="alerts"):
        show_heading("Alerts", _checked(state, page.now))
        if not alerts:
            st.caption("There is nothing to tell of.")
        for whose, alert in alerts[:_SHOWN]:
            _show_alert(page, whose, alert)
        if len(alerts) > _SHOWN:
            st.caption(f"{len(alerts) - _SHOWN} older ones: python -m analytics alerts list")
        _show_mutes(page, mutes, has_alerts=bool(alerts))


def _load(
    page: Page, now: datetime, *, sees_all: bool
) -> tuple[list[tuple[UUID | None, Alert]], AlertState, list[Mute]]:
    alerts: list[tuple[UUID | None, Alert]] = [
        (page.client.id, alert) for alert in load_alerts(page.database, page.client.id)
    ]
    mutes = load_mutes(page.database, page.client.id, now)
    if sees_all:
        alerts += [(None, alert) for alert in load_alerts(page.database, None)]
        mutes += load_mutes(page.database, None, now)
    alerts.sort(key=lambda each: (not each[1].is_open, -each[1].occurred_at.timestamp()))
    return alerts, alert_state(page.database), mutes


def _checked(state: AlertState, now: datetime) -> str:
    if state.checked_at is None:
        return "not checked yet: a server looks every minute"
    return f"last checked {formatting.age(state.checked_at, now)}"


def _show_alert(page: Page, whose: UUID | None, alert: Alert) -> None:
    text, acts = st.columns([7, 2], gap="small", vertical_alignment="center")
    with text:
        told = f"{_ICONS[alert.is_open]} **{with_dollars(escaped(alert.title))}**"
        way = _way(alert)
        if way is not None and way.leads_on:
            show_way(way, told, icon=OPENS)
        else:
            st.markdown(f":small[{told}]")
        since = formatting.utc_moment(alert.occurred_at)
        seen = f"; seen by {named(page, alert.acknowledged_by)}" if alert.acknowledged_by else ""
        over = f"; no more so since {formatting.utc_moment(alert.resolved_at)}" if alert.resolved_at else ""
        st.caption(with_dollars(escaped(f"{since}{seen}{over}. {' · '.join(alert.lines)}")))
    if alert.is_open and page.viewer.administers(page.client):
        with acts.container(horizontal=True, gap="small"):
            st.button(
                "Seen",
                key=f"seen {alert.event_id}",
                icon=":material/done:",
                on_click=_acknowledge,
                args=[page, whose, alert.event_id],
            )
            what = "this budget" if alert.budget_id else "alerts of this kind"
            st.button(
                "Mute",
                key=f"mute {alert.event_id}",
                icon=":material/notifications_off:",
                type="tertiary",
                help=f"Tells no channel of {what} for 24 hours. Alerts are still kept, and shown here.",
                on_click=_mute,
                args=[page, whose, alert],
            )


def _show_mutes(page: Page, mutes: Sequence[Mute], *, has_alerts: bool) -> None:
    """What no channel is told of, and until when; for administrators with buttons to change that."""
    administers = page.viewer.administers(page.client)
    for each in mutes:
        until = formatting.utc_moment(each.muted_until)
        said = (
            f"No channel is told of {_muted(each)} until {until}, as {named(page, each.muted_by)} asked for."
        )
        st.caption(with_dollars(escaped(said)))
    if not administers:
        return
    with st.container(horizontal=True, gap="small"):
        if has_alerts:
            st.button(
                "Mute all for a day",
                icon=":material/notifications_off:",
                help="Tells no channel of this client for 24 hours. Alerts are still kept, and shown here.",
                on_click=_mute,
                args=[page, page.client.id, None],
            )
        if mutes:
            st.button("Tell again", icon=":material/notifications:", on_click=_unmute, args=[page])


def _muted(mute: Mute) -> str:
    """What it is of, in words."""
    if mute.budget_name is not None:
        return f'the budget "{mute.budget_name}"'
    return "anything here" if mute.kind is None else f"{mute.kind} alerts"


def _way(alert: Alert) -> Way | None:
    """The view that an alert tells of."""
    link = urlsplit(alert.link)
    path = link.path.strip("/")
    if path not in [path_of(file) for file, _, _ in PAGES]:
        return None
    query = dict(parse_qsl(link.query, keep_blank_values=True))
    query.pop("client", None)
    return Way(
        page=path,
        text=alert.title,
        only={name: value for name, value in query.items() if is_filter(name)},
        keeps_filters=False,
        # A link to the page that is open keeps what it does not name.
        parts={"value": None} | {name: value for name, value in query.items() if not is_filter(name)},
    )


def _acknowledge(page: Page, whose: UUID | None, event_id: UUID) -> None:
    try:
        acknowledge(page.database, whose, event_id, who(page))
    except AnalyticsError as error:
        show_refusal(error)
        return
    reads.forget()


def _mute(page: Page, whose: UUID | None, alert: Alert | None) -> None:
    """Mutes all of a client, or the budget of an alert, or else what is of its kind."""
    budget_id = alert.budget_id if alert else None
    kind = alert.kind if alert and budget_id is None else None
    until = datetime.now(UTC) + _MUTED
    try:
        mute(page.database, whose, until, who(page), budget_id=budget_id, kind=kind)
    except AnalyticsError as error:
        show_refusal(error)
        return
    reads.forget()


def _unmute(page: Page) -> None:
    try:
        unmute(page.database, page.client.id)
        if page.viewer.sees_all_clients:
            unmute(page.database, None)
    except AnalyticsError as error:
        show_refusal(error)
        return
    reads.forget()
