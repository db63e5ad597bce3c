"""What a page begins with: setup, sidebar, heading, and the controls, which live in the link."""

from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from analytics import queries
from analytics.charts import MEASURES, Measure
from analytics.database import Database
from analytics.errors import InvalidInput, UnknownClient
from analytics.queries import Client, Period
from analytics.ui import reading
from analytics.ui.states import escaped, explained, no_clients

PAGES = (
    ("streamlit_app.py", "Overview", ":material/dashboard:"),
    ("pages/about_the_numbers.py", "About the numbers", ":material/calculate:"),
)
DEFAULT_PERIOD = Period(days=30)
DEFAULT_MEASURE = "Tokens"
SIDEBAR_WIDTH = 220  # pixels
MAX_LINK_VALUE = 200  # characters


@dataclass(frozen=True, kw_only=True)
class Page:
    """Who looks at what, when: the client and period, what charts show, the moment of the visit."""

    database: Database
    client: Client
    period: Period
    measure: Measure
    now: datetime


def begin_page(title: str, *, icon: str) -> Page:
    """Setup, sidebar, heading and controls; ends the page with an explanation where nothing can be shown."""
    heading = begin_text_page(title, icon=icon)
    now = datetime.now(UTC)
    with explained():
        database = reading.database(now)
        labels = _labels(reading.clients(database))
        asked = st.query_params.get("client")
        if not labels or (asked is not None and _find_client(asked, labels) is None):
            # Somebody may just have made the first client, or the one of the link.
            reading.forget_clients()
            labels = _labels(reading.clients(database))
        if not labels:
            no_clients()
        _check_link(labels)
        with st.container(horizontal=True, vertical_alignment="top", gap="medium", key="controls"):
            client = _choose_client(labels)
            period = _choose_period()
            measure = _choose_measure()
    if len(labels) == 1:
        heading.markdown(f":gray[{escaped(client.name)}]", width="content")
    if client.is_demo:
        heading.badge("Demo data: invented clients and calls", icon=":material/science:", color="orange")
    return Page(database=database, client=client, period=period, measure=measure, now=now)


def begin_text_page(title: str, *, icon: str) -> "st.delta_generator.DeltaGenerator":
    """Setup, sidebar and heading of a page without numbers; the container of the heading."""
    st.set_page_config(
        page_title=f"{title} - usage and cost",
        page_icon=icon,
        layout="wide",
        initial_sidebar_state=SIDEBAR_WIDTH,
    )
    with st.sidebar:
        st.markdown("#### :material/monitoring: Usage & cost")
        # The link goes along, so that client and period are still chosen on the way back.
        link = st.query_params.to_dict()
        for path, label, page_icon in PAGES:
            st.page_link(path, label=label, icon=page_icon, query_params=link)
    heading = st.container(horizontal=True, vertical_alignment="center", gap="medium", key="heading")
    heading.title(title, anchor=False, width="content")
    return heading


def _labels(clients: list[Client]) -> dict[str, Client]:
    """What the selector and links call each client: its name, with its id where two have the same."""
    names = [client.name for client in clients]
    return {
        client.name if names.count(client.name) == 1 else f"{client.name} ({client.id})": client
        for client in clients
    }


def _check_link(labels: dict[str, Client]) -> None:
    """Refuses what a link asks for and cannot have, and puts other spellings right.

    Before any control is drawn: a control that is bound to the link drops in silence what it does not know,
    and its part of the link can no longer be changed from here.
    """
    link = {name: value[:MAX_LINK_VALUE] for name, value in st.query_params.to_dict().items()}
    meant = {}
    if "client" in link:
        label = _find_client(link["client"], labels)
        if label is None:
            raise UnknownClient(f'no client "{link["client"]}" that you could see here')
        meant["client"] = label
    if "days" in link:
        meant["days"] = Period.parse(link["days"]).label
    if "show" in link:
        meant["show"] = link["show"].capitalize()
        if meant["show"] not in MEASURES:
            raise InvalidInput(f'show must be one of {", ".join(MEASURES)}, not "{link["show"]}"')
    corrections = {name: value for name, value in meant.items() if value != link[name]}
    if corrections and not any(name in st.session_state for name in corrections):
        st.query_params.update(corrections)
        st.rerun()


def _find_client(asked: str, labels: dict[str, Client]) -> str | None:
    """The label of the client that a link names by label or id."""
    if asked in labels:
        return asked
    by_id = {str(client.id): label for label, client in labels.items()}
    return by_id.get(asked.lower())


def _choose_client(labels: dict[str, Client]) -> Client:
    if len(labels) == 1:
        return next(iter(labels.values()))
    label = st.selectbox("Client", list(labels), key="client", bind="query-params", width=240)
    return labels[label]


def _choose_period() -> Period:
    label = st.segmented_control(
        "Period",
        [Period(days=days).label for days in queries.PERIOD_DAYS],
        default=DEFAULT_PERIOD.label,
        required=True,
        key="days",
        bind="query-params",
    )
    return Period.parse(label or DEFAULT_PERIOD.label)


def _choose_measure() -> Measure:
    name = st.segmented_control(
        "Charts show",
        list(MEASURES),
        default=DEFAULT_MEASURE,
        required=True,
        key="show",
        bind="query-params",
    )
    return MEASURES[name or DEFAULT_MEASURE]
