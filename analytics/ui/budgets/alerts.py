"""What was told: alerts of the client, and how telling goes."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import streamlit as st

from analytics import formatting
from analytics.alerts import acknowledge, mute, read_channels, test_channel
from analytics.errors import AnalyticsError
from analytics.queries import is_filter
from analytics.queries.alerts import Alert, AlertState, ChannelState, alert_state, channel_states, load_alerts
from analytics.ui.budgets.forms import who
from analytics.ui.frame import reads
from analytics.ui.frame.messages import escaped, show_refusal, with_dollars
from analytics.ui.frame.page import PAGES, Page, path_of
from analytics.ui.frame.ways import OPENS, Way, show_way
from analytics.ui.parts.headings import show_heading

_SHOWN = 20
_MUTED = timedelta(days=1)
_ICONS = {True: ":red[:material/notifications_active:]", False: ":gray[:material/check:]"}


def show_alerts(page: Page) -> None:
    """The newest alerts, open ones first; for administrators with who has seen them, and the channels."""
    sees_all = page.viewer.sees_all_clients
    found = reads.read(
        page.database,
        ("alerts", page.client.id, sees_all),
        lambda _: _load(page, sees_all=sees_all),
        page.now,
    ).value
    alerts, state = found
    with st.container(border=True, key="alerts"):
        show_heading("Alerts", _checked(state, page.now))
        if not alerts:
            st.caption("There is nothing to tell of.")
        for whose, alert in alerts[:_SHOWN]:
            _show_alert(page, whose, alert)
        if len(alerts) > _SHOWN:
            st.caption(f"{len(alerts) - _SHOWN} older ones: python -m analytics alerts list")
        if alerts and page.viewer.administers(page.client):
            st.button(
                "Mute for a day",
                icon=":material/notifications_off:",
                help="Tells no channel of this client for 24 hours. Alerts are still kept, and shown here.",
                on_click=_mute,
                args=[page],
            )


def _load(page: Page, *, sees_all: bool) -> tuple[list[tuple[UUID | None, Alert]], AlertState]:
    alerts: list[tuple[UUID | None, Alert]] = [
        (page.client.id, alert) for alert in load_alerts(page.database, page.client.id)
    ]
    if sees_all:
        alerts += [(None, alert) for alert in load_alerts(page.database, None)]
    alerts.sort(key=lambda each: (not each[1].is_open, -each[1].occurred_at.timestamp()))
    return alerts, alert_state(page.database)


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
            st.markdown(told)
        since = f"{alert.occurred_at.astimezone(UTC):%d %b %H:%M} UTC"
        seen = f"; seen by {alert.acknowledged_by}" if alert.acknowledged_by else ""
        over = f"; no more so since {alert.resolved_at:%d %b %H:%M} UTC" if alert.resolved_at else ""
        st.caption(with_dollars(escaped(f"{since}{seen}{over}. {' · '.join(alert.lines)}")))
    if alert.is_open and page.viewer.administers(page.client):
        acts.button(
            "Seen",
            key=f"seen {alert.event_id}",
            icon=":material/done:",
            on_click=_acknowledge,
            args=[page, whose, alert.event_id],
        )


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
        parts={name: value for name, value in query.items() if not is_filter(name)},
    )


def _acknowledge(page: Page, whose: UUID | None, event_id: UUID) -> None:
    try:
        acknowledge(page.database, whose, event_id, who(page))
    except AnalyticsError as error:
        show_refusal(error)
        return
    reads.forget()


def _mute(page: Page) -> None:
    mute(page.database, page.client.id, datetime.now(UTC) + _MUTED, who(page))
    st.toast("No channel is told of this client for 24 hours.", icon=":material/notifications_off:")


def show_channels(page: Page) -> None:
    """The channels, with a button to test each, for who runs the installation."""
    if not page.viewer.sees_all_clients:
        return
    with st.container(border=True, key="channels"):
        show_heading("Channels", "who is told")
        try:
            channels = read_channels(reads.secrets())
        except AnalyticsError as error:
            show_refusal(error)
            return
        if not channels:
            st.caption(
                "Nobody is told outside this page. A channel (e-mail, Slack, Teams, a webhook) is a section "
                "`[alerts.channels.<name>]` in the secrets, or `ALERT_CHANNEL_<NAME>` in the environment."
            )
        states = {state.name: state for state in channel_states(page.database)} if channels else {}
        for channel in channels:
            text, act = st.columns([7, 2], gap="small", vertical_alignment="center")
            text.markdown(
                f"**{escaped(channel.name)}** :gray[{escaped(_told(states.get(channel.name), page.now))}]"
            )
            if act.button("Test this channel", key=f"test {channel.name}", icon=":material/send:"):
                reason = test_channel(channel, datetime.now(UTC))
                if reason is None:
                    text.success("Delivered.", icon=":material/check_circle:")
                else:
                    text.error(escaped(reason), icon=":material/error:")


def _told(state: ChannelState | None, now: datetime) -> str:
    if state is None:
        return "nothing was told yet"
    delivered = (
        f"last delivered {formatting.age(state.delivered_at, now)}"
        if state.delivered_at
        else "none delivered"
    )
    waiting = f", {state.waiting_count} waiting" if state.waiting_count else ""
    failed = f", {state.failed_count} given up" if state.failed_count else ""
    error = f": {state.last_error}" if state.last_error else ""
    return f"{delivered}{waiting}{failed}{error}"
