"""What a page begins with: setup, sidebar, heading, and the controls of the address."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator as Container

from analytics.access.viewer import Viewer
from analytics.charts import MEASURES, Measure
from analytics.clients import Client
from analytics.database import Database
from analytics.days import Days
from analytics.errors import InvalidInput, NotAMember, SignInNeeded, UnknownClient
from analytics.queries import EVERYTHING, NO_FILTERS, Filters, Period, first_usage_day
from analytics.queries.alerts import count_open_alerts
from analytics.queries.summed_days import sums_only
from analytics.ui.frame import address, reads, sign_in
from analytics.ui.frame.address import OF_ONE_CLIENT, PLACE_IN_LIST, Part
from analytics.ui.frame.dates import DAYS, DEFAULT_PERIOD, choose_period
from analytics.ui.frame.filter_bar import NOT_APPLIED, show_add_filter, show_chips
from analytics.ui.frame.filters import chosen_filters
from analytics.ui.frame.first_call import await_first_call
from analytics.ui.frame.messages import escaped, explained, show_no_clients
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.sidebar import close_sidebar_on_phone
from analytics.ui.frame.state import Scope, session, value_of

PAGES = (
    ("streamlit_app.py", "Overview", ":material/dashboard:"),
    ("pages/providers_and_models.py", "Providers and models", ":material/compare_arrows:"),
    ("pages/conversations.py", "Conversations", ":material/forum:"),
    ("pages/calls.py", "Calls", ":material/receipt_long:"),
    ("pages/live.py", "Live", ":material/sensors:"),
    ("pages/speed_and_errors.py", "Speed and errors", ":material/speed:"),
    ("pages/budgets.py", "Budgets", ":material/savings:"),
    ("pages/prices.py", "Prices", ":material/sell:"),
    ("pages/connect.py", "Connect", ":material/cable:"),
    ("pages/data_health.py", "Data health", ":material/health_and_safety:"),
    ("pages/clients.py", "Clients", ":material/apartment:"),
    ("pages/about_the_numbers.py", "About the numbers", ":material/calculate:"),
)
BUDGETS_PAGE = "pages/budgets.py"
CLIENTS_PAGE = "pages/clients.py"
"""Only for viewers of more than one client."""
Answer = TypeVar("Answer")
SIDEBAR_WIDTH, CLIENT_WIDTH = 244, 144  # pixels
DEMO_DATA = "Invented clients and calls."
STYLE = Path(__file__).with_name("style.css")
MAX_NAME = 200  # characters
_PHONES = "phones"


@dataclass(frozen=True, kw_only=True)
class Page:
    """A visit: who looks at which client and days, what charts show, and when."""

    database: Database
    viewer: Viewer
    client: Client
    period: Period
    measure: Measure
    now: datetime
    filters: Filters = NO_FILTERS
    """Which calls count; see ui/frame/filters.py."""

    @property
    def days(self) -> Days:
        """The first and the last day of the period."""
        return self.period.range(self.client.today(self.now))

    @property
    def scope(self) -> Scope:
        """What a result of this page is about, to tell whether it still fits."""
        return Scope(client_id=self.client.id, days=self.days)

    @property
    def sees_phones(self) -> bool:
        """Whether phones are read whole: a viewer who may see them turned them on."""
        return self.viewer.may_see_phones(self.client) and bool(value_of(_PHONES))

    def choose_phones(self) -> None:
        """A toggle for those who may see phones. The next run reads them; runs of others never do."""
        if self.viewer.may_see_phones(self.client):
            st.toggle("Show phone numbers", key=_PHONES)

    def read(self, load: Callable[..., Answer], *arguments: Hashable, **named: Hashable) -> Reading[Answer]:
        """What load(database, client id, *arguments) returns, at most a minute old; see reads.read()."""
        view = (load.__qualname__, self.client.id, arguments, tuple(sorted(named.items())))
        return reads.read(
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
    has_filters: bool = True,
    needs_calls: bool = True,
    shows_calls: bool = False,
) -> Page:
    """Setup, sidebar, heading and controls; ends the page with an explanation where nothing can be shown.

    A page without a choice of client is about all of them; its `client` is the one of the link, or the first.
    One without a period is about the last 30 days, one without a measure about tokens, one without filters
    about all calls. One that `needs_calls` says how to log the first one, to a client that has none. One that
    `shows_calls` says where those of its days are gone; so does one whose filters are answered from calls.
    """
    heading, controls, clients_link, budgets_link = _begin(title, icon=icon)
    now = datetime.now(UTC)
    with explained():
        database = reads.open_database(now)
        viewer = _viewer(database)
        labels = client_labels(viewer.clients)
        if not labels:
            show_no_clients()
        session().sees_several_clients = len(labels) > 1
        with clients_link:
            _link_to_clients(title)
        client_part = _client_part(labels)
        # Before any control: a part that is not valid ends the page with a message.
        client = labels[client_part.value()]
        period = _period(database, client, now)
        measure = MEASURE.value()
        filters = chosen_filters()
        page = Page(
            database=database,
            viewer=viewer,
            client=client,
            period=period if has_period else DEFAULT_PERIOD,
            measure=MEASURES[measure if has_measure else MEASURE.default],
            now=now,
            filters=filters if has_filters else NO_FILTERS,
        )
        with controls:
            if has_client and len(labels) > 1:
                client_part.choose(
                    st.selectbox, "Client", list(labels), width=CLIENT_WIDTH, label_visibility="collapsed"
                )
            if has_period:
                choose_period(client, period, now)
            if has_measure:
                MEASURE.choose(
                    st.segmented_control,
                    "Charts show",
                    list(MEASURES),
                    required=True,
                    label_visibility="collapsed",
                )
            if has_filters:
                # Of a fragment's own width it would take a line.
                with st.container(width="content"):
                    show_add_filter(page, "" if has_client else _of_one(client))
        if has_filters:
            show_chips(page)
        elif filters:
            st.caption(NOT_APPLIED)
    if len(labels) == 1:
        heading.markdown(f":gray[{escaped(client.name)}]", width="content")
    if client.is_demo:
        heading.badge("Demo data", color="orange", help=DEMO_DATA)
    with budgets_link:
        _tell_open_alerts(database, client, now, title)
    with st.sidebar:
        sign_in.account((reads.secrets() or {}).get("auth", {}))
    if needs_calls:
        await_first_call(database, client, now)
    tell_summed_days(page, are_calls=shows_calls)
    return page


def tell_summed_days(page: Page, *, are_calls: bool) -> None:
    """Says where calls are missing of which only sums are kept."""
    if told := sums_only(page.client, page.days, page.filters, are_calls=are_calls):
        st.info(told, icon=":material/inventory_2:")


def _of_one(client: Client) -> str:
    return f"Values, calls and costs are those of {escaped(client.name)}; the filter holds for all clients."


def _period(database: Database, client: Client, now: datetime) -> Period:
    """The period of the address with its days."""
    period = Period.parse(DAYS.value())
    first_day = None
    if period.name == EVERYTHING:
        view = ("first day", client.id)
        first_day = reads.read(database, view, lambda _: first_usage_day(database, client.id), now).value
    return period.at(client.today(now), first_day)


def _viewer(database: Database) -> Viewer:
    """Who is looking; ends the page where they may see nothing."""
    try:
        viewer = reads.current_viewer(database)
        value = st.query_params.get("client")
        if not viewer.clients or (
            value is not None and _find_client(value, client_labels(viewer.clients)) is None
        ):
            # Somebody may just have created the first client, or the one in the link.
            reads.forget_viewers()
            viewer = reads.current_viewer(database)
    except SignInNeeded:
        sign_in.ask_to_sign_in((reads.secrets() or {}).get("auth", {}))
        st.stop()
    except NotAMember as error:
        sign_in.refuse(error)
        st.stop()
    return viewer


def begin_text_page(title: str, *, icon: str) -> Container:
    """Setup, sidebar and heading of a page without numbers; the container of the heading."""
    heading, _, clients_link, _ = _begin(title, icon=icon)
    with clients_link:
        _link_to_clients(title)
    return heading


def _begin(title: str, *, icon: str) -> tuple[Container, Container, Container, Container]:
    """Setup, sidebar and heading; containers of heading, controls, and the links to clients and budgets."""
    st.set_page_config(
        page_title=f"{title} - usage and cost",
        page_icon=icon,
        layout="wide",
        initial_sidebar_state=SIDEBAR_WIDTH,
    )
    st.html(STYLE)
    address.begin(path_of(_file(title)), [path_of(file) for file, _, _ in PAGES])
    with st.sidebar:
        # Not a heading: that of the page is the first.
        st.markdown("**:material/monitoring: Usage & cost**")
        for file, label, page_icon in PAGES:
            if file == CLIENTS_PAGE:
                clients_link = st.container()
            elif file == BUDGETS_PAGE:
                # Drawn again where there is something that nobody has seen.
                budgets_link = st.empty()
                with budgets_link:
                    _link_to(file, label, page_icon, title)
            else:
                _link_to(file, label, page_icon, title)
        close_sidebar_on_phone(title)
    # In one line where there is room.
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="top"
    ):
        heading, controls = (
            st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content", key=key)
            for key in ("heading", "controls")
        )
    heading.title(title, anchor=False, width="content")
    return heading, controls, clients_link, budgets_link


def _file(title: str) -> str:
    """The file of the page with this heading. The sidebar has another name for the first one."""
    return next((file for file, label, _ in PAGES if label == title), PAGES[0][0])


def path_of(file: str) -> str:
    """The path of a page in the address; the first has none."""
    return "" if file == PAGES[0][0] else Path(file).stem


def _link_to(file: str, label: str, icon: str, title: str) -> None:
    """A link of the sidebar; it keeps client, period and measure."""
    link = address.shared(is_this_page=file == _file(title))
    st.page_link(file, label=label, icon=icon, query_params=link)


def _tell_open_alerts(database: Database, client: Client, now: datetime, title: str) -> None:
    """Beside the link to budgets, how many alerts of the client nobody has seen; at most a minute old."""
    opened = reads.read(
        database, ("open alerts", client.id), lambda _: count_open_alerts(database, client.id), now
    ).value
    if opened:
        [(file, label, icon)] = [each for each in PAGES if each[0] == BUDGETS_PAGE]
        _link_to(file, f"{label} :red-badge[{opened}]", icon, title)


def _link_to_clients(title: str) -> None:
    """For visitors who see several clients, which may only be known later in the run."""
    if session().sees_several_clients:
        [clients_page] = [each for each in PAGES if each[0] == CLIENTS_PAGE]
        _link_to(*clients_page, title)


def client_labels(clients: Sequence[Client]) -> dict[str, Client]:
    """What the selector and links call each client: its name, with its id where two have the same."""
    names = [client.name for client in clients]
    return {
        client.name if names.count(client.name) == 1 else f"{client.name} ({client.id})": client
        for client in clients
    }


def _client_part(labels: dict[str, Client]) -> Part[str]:
    """The client in the address; by default the first one with calls."""

    def parse(value: str) -> str:
        label = _find_client(value, labels)
        if label is None:
            raise UnknownClient(f'no client is called "{value[:MAX_NAME]}", or you may not see it')
        return label

    first = next((label for label, client in labels.items() if client.first_day), next(iter(labels)))
    return Part(
        name="client",
        parse=parse,
        default=first,
        resets=(*OF_ONE_CLIENT, *PLACE_IN_LIST),
        is_always_written=True,
    )


def _find_client(value: str, labels: dict[str, Client]) -> str | None:
    """The label of the client that a link names by label or id."""
    if value in labels:
        return value
    by_id = {str(client.id): label for label, client in labels.items()}
    return by_id.get(value.lower())


def _parse_measure(value: str) -> str:
    name = value.capitalize()
    if name not in MEASURES:
        raise InvalidInput(f'show must be one of {", ".join(MEASURES)}, not "{value[:MAX_NAME]}"')
    return name


MEASURE = Part(name="show", parse=_parse_measure, default="Tokens")


def show_only_administrators(page: Page, what: str) -> None:
    """A note for others on who can do something; whoever tries the demo is told how to be one."""
    told = f"Only administrators of this client can {what}."
    if page.client.is_demo and page.viewer.email is None:
        told += (
            " On your own machine that is you: start with"
            " `streamlit run streamlit_app.py --server.address localhost`."
        )
    st.caption(told)
