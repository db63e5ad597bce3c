"""What a page begins with: setup, sidebar, heading, and the controls, which live in the link."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NoReturn, TypeVar
from uuid import UUID

import streamlit as st

from analytics.access import Viewer
from analytics.charts import MEASURES, Measure
from analytics.database import Database
from analytics.errors import InvalidInput, NotAMember, SignInNeeded, UnknownClient
from analytics.queries import Client, Period
from analytics.ui import reading, signing_in
from analytics.ui.dates import DEFAULT_PERIOD, choose_period
from analytics.ui.reading import Reading
from analytics.ui.sidebar import make_room
from analytics.ui.states import escaped, explained, no_clients

PAGES = (
    ("streamlit_app.py", "Overview", ":material/dashboard:"),
    ("pages/providers_and_models.py", "Providers and models", ":material/compare_arrows:"),
    ("pages/conversations.py", "Conversations", ":material/forum:"),
    ("pages/live.py", "Live", ":material/sensors:"),
    ("pages/prices.py", "Prices", ":material/sell:"),
    ("pages/data_health.py", "Data health", ":material/health_and_safety:"),
    ("pages/clients.py", "Clients", ":material/apartment:"),
    ("pages/about_the_numbers.py", "About the numbers", ":material/calculate:"),
)
CLIENTS_PAGE = "pages/clients.py"
"""Only for those who see more than one."""
DEFAULT_MEASURE = "Tokens"
Answer = TypeVar("Answer")
SIDEBAR_WIDTH = 244  # pixels
STYLE = Path(__file__).with_name("style.css")
MAX_LINK_VALUE = 200  # characters
_SEES_SEVERAL = "sees several clients"
_IN_COMMON = ("client", "days", "show")
# Under names that are no control's: what is chosen, and on which page that was.
_KEPT = "chosen on all pages"
_TITLE = "title of the page"


@dataclass(frozen=True, kw_only=True)
class Page:
    """Who looks at what, when: the client and period, what charts show, the moment of the visit."""

    database: Database
    viewer: Viewer
    client: Client
    period: Period
    measure: Measure
    now: datetime

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day of the period."""
        return self.period.range(self.client.today(self.now))

    def read(self, load: Callable[..., Answer], *arguments: Hashable, **named: Hashable) -> Reading[Answer]:
        """What load(database, client id, *arguments) says, at most a minute old; see reading.read()."""
        view = (load.__qualname__, self.client.id, arguments, tuple(sorted(named.items())))
        return reading.read(
            self.database,
            view,
            lambda _: load(self.database, self.client.id, *arguments, **named),
            self.now,
        )


def begin_page(
    title: str,
    *,
    icon: str,
    has_client: bool = True,
    has_period: bool = True,
    has_measure: bool = True,
) -> Page:
    """Setup, sidebar, heading and controls; ends the page with an explanation where nothing can be shown.

    A page without a choice of client is about all of them; its `client` is the one of the link, or the first.
    One without a period is about the last 30 days, one without a measure about tokens.
    """
    heading, clients_link = _begin(title, icon=icon)
    now = datetime.now(UTC)
    with explained():
        database = reading.database(now)
        viewer = _viewer(database)
        labels = _labels(viewer.clients)
        if not labels:
            no_clients()
        st.session_state[_SEES_SEVERAL] = len(labels) > 1
        with clients_link:
            _link_to_clients(title)
        _check_link(labels)
        at_first = {
            **({"client": next(iter(labels))} if has_client and len(labels) > 1 else {}),
            **({"days": DEFAULT_PERIOD.label} if has_period else {}),
            **({"show": DEFAULT_MEASURE} if has_measure else {}),
        }
        _carry_over(title, labels, at_first)
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="controls"):
            client = _choose_client(labels) if has_client else _linked_client(labels)
            period = choose_period(client, now) if has_period else DEFAULT_PERIOD
            measure = _choose_measure() if has_measure else DEFAULT_MEASURE
    [client_label] = [label for label, each in labels.items() if each is client]
    st.session_state[_KEPT] |= (
        ({"client": client_label} if len(labels) > 1 else {})
        | ({"days": period.label} if has_period else {})
        | ({"show": measure} if has_measure else {})
    )
    if len(labels) == 1:
        heading.markdown(f":gray[{escaped(client.name)}]", width="content")
    if client.is_demo:
        heading.badge("Demo data: invented clients and calls", icon=":material/science:", color="orange")
    with st.sidebar:
        signing_in.account((reading.secrets() or {}).get("auth", {}))
    return Page(
        database=database,
        viewer=viewer,
        client=client,
        period=period,
        measure=MEASURES[measure],
        now=now,
    )


def _viewer(database: Database) -> Viewer:
    """Who is looking; ends the page where they may see nothing."""
    try:
        viewer = reading.viewer(database)
        asked = st.query_params.get("client")
        if not viewer.clients or (asked is not None and _find_client(asked, _labels(viewer.clients)) is None):
            # Somebody may just have made the first client, or the one of the link.
            reading.forget_viewers()
            viewer = reading.viewer(database)
    except SignInNeeded:
        signing_in.ask_to_sign_in((reading.secrets() or {}).get("auth", {}))
        st.stop()
    except NotAMember as error:
        signing_in.refuse(error)
        st.stop()
    return viewer


def begin_text_page(title: str, *, icon: str) -> "st.delta_generator.DeltaGenerator":
    """Setup, sidebar and heading of a page without numbers; the container of the heading."""
    heading, clients_link = _begin(title, icon=icon)
    with clients_link:
        _link_to_clients(title)
    st.session_state[_TITLE] = title
    return heading


def _begin(
    title: str, *, icon: str
) -> "tuple[st.delta_generator.DeltaGenerator, st.delta_generator.DeltaGenerator]":
    """Setup, sidebar and heading; the containers of the heading and of the link to the page of clients."""
    st.set_page_config(
        page_title=f"{title} - usage and cost",
        page_icon=icon,
        layout="wide",
        initial_sidebar_state=SIDEBAR_WIDTH,
    )
    st.html(STYLE)
    with st.sidebar:
        # Not a heading: the page's own is the first.
        st.markdown("**:material/monitoring: Usage & cost**")
        # The link goes along, so that client and period are still chosen on the way back.
        link = _link(title)
        for path, label, page_icon in PAGES:
            if path == CLIENTS_PAGE:
                clients_link = st.container()
            else:
                st.page_link(path, label=label, icon=page_icon, query_params=link)
        make_room(title)
    heading = st.container(horizontal=True, vertical_alignment="center", gap="medium", key="heading")
    heading.title(title, anchor=False, width="content")
    return heading, clients_link


def _link_to_clients(title: str) -> None:
    """Once it is known that this visitor sees several."""
    if st.session_state.get(_SEES_SEVERAL):
        [(path, label, icon)] = [each for each in PAGES if each[0] == CLIENTS_PAGE]
        st.page_link(path, label=label, icon=icon, query_params=_link(title))


def _link(title: str) -> dict[str, str]:
    """What all pages have in common, as a link: client, period, measure."""
    kept: dict[str, str] = st.session_state.get(_KEPT, {})
    link = st.query_params.to_dict() | kept
    if st.session_state.get(_TITLE) == title:
        # What a control of this page has just been set to.
        link |= {name: st.session_state[name] for name in _IN_COMMON if st.session_state.get(name)}
    return {name: link[name] for name in _IN_COMMON if name in link}


def open_overview(page: Page, client_id: UUID) -> NoReturn:
    """Leaves a page without a choice of client for the Overview of one, with the same period."""
    labels = _labels(page.viewer.clients)
    [label] = [label for label, client in labels.items() if client.id == client_id]
    st.session_state[_KEPT] |= {"client": label}
    # An empty link: without one Streamlit refuses while a control holds on to a part of the link.
    st.switch_page("streamlit_app.py", query_params={})


def _carry_over(title: str, labels: dict[str, Client], at_first: dict[str, str]) -> None:
    """Sets the controls of a page that was come to from another one as they were there.

    Streamlit forgets a control with its page, along with its part of the link. `at_first` are the controls
    of this page with what they are set to in a new visit; that needs no place in the link.
    """
    if st.session_state.get(_TITLE) == title:
        return
    st.session_state[_TITLE] = title
    kept: dict[str, str] = st.session_state.setdefault(_KEPT, {})
    if kept.get("client") not in labels:
        kept.pop("client", None)
    for name, value in kept.items():
        st.session_state[name] = value
    changed = {name: kept[name] for name in at_first if kept.get(name, at_first[name]) != at_first[name]}
    if changed.items() - st.query_params.to_dict().items():
        st.query_params.update(changed)


def _labels(clients: Sequence[Client]) -> dict[str, Client]:
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


def _linked_client(labels: dict[str, Client]) -> Client:
    label = st.session_state[_KEPT].get("client") or _find_client(st.query_params.get("client", ""), labels)
    return labels[label] if label in labels else next(iter(labels.values()))


def _choose_client(labels: dict[str, Client]) -> Client:
    if len(labels) == 1:
        return next(iter(labels.values()))
    label = st.selectbox("Client", list(labels), key="client", bind="query-params", width=240)
    return labels[label]


def _choose_measure() -> str:
    name = st.segmented_control(
        "Charts show",
        list(MEASURES),
        default=None if "show" in st.session_state else DEFAULT_MEASURE,
        required=True,
        key="show",
        bind="query-params",
    )
    return name or DEFAULT_MEASURE
