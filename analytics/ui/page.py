"""What a page begins with: setup, sidebar, heading, and the controls, which live in the link."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

import streamlit as st

from analytics import queries
from analytics.charts import MEASURES, Measure
from analytics.database import Database
from analytics.errors import InvalidInput, UnknownClient
from analytics.queries import Client, Period
from analytics.ui import reading
from analytics.ui.states import escaped, explained, no_clients

DEFAULT_PERIOD = Period(days=30)
DEFAULT_MEASURE = "Tokens"
SIDEBAR_WIDTH = 220  # pixels


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
        clients = reading.clients(database)
        if not clients:
            no_clients()
        with st.container(horizontal=True, vertical_alignment="top", gap="medium", key="controls"):
            client = _choose_client(clients)
            period = _choose_period()
            measure = _choose_measure()
    if len(clients) == 1:
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
        st.page_link("streamlit_app.py", label="Overview", icon=":material/dashboard:")
        st.page_link("pages/about_the_numbers.py", label="About the numbers", icon=":material/calculate:")
    heading = st.container(horizontal=True, vertical_alignment="center", gap="medium", key="heading")
    heading.title(title, anchor=False, width="content")
    return heading


def _choose_client(clients: list[Client]) -> Client:
    names = [client.name for client in clients]
    # Clients of one name are told apart by the start of their ids.
    labels = {
        client.name if names.count(client.name) == 1 else f"{client.name} ({str(client.id)[:8]})": client
        for client in clients
    }
    asked = st.query_params.get("client")
    if asked is not None and asked not in labels:
        by_id = {str(client.id): label for label, client in labels.items()}
        if asked not in by_id:
            raise UnknownClient(f'no client "{asked}" that you could see here')
        _correct_link("client", by_id[asked])
    if len(clients) == 1:
        return clients[0]
    label = st.selectbox("Client", list(labels), key="client", bind="query-params", width=240)
    return labels[label]


def _choose_period() -> Period:
    asked = st.query_params.get("days")
    if asked is not None and asked != (label := Period.parse(asked).label):
        _correct_link("days", label)
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
    asked = st.query_params.get("show")
    if asked is not None and asked not in MEASURES:
        if asked.capitalize() not in MEASURES:
            raise InvalidInput(f'show must be one of {", ".join(MEASURES)}, not "{asked}"')
        _correct_link("show", asked.capitalize())
    name = st.segmented_control(
        "Charts show",
        list(MEASURES),
        default=DEFAULT_MEASURE,
        required=True,
        key="show",
        bind="query-params",
    )
    return MEASURES[name or DEFAULT_MEASURE]


def _correct_link(parameter: str, value: str) -> NoReturn:
    """Starts again with the spelling that the bound widget understands."""
    st.query_params[parameter] = value
    st.rerun()
