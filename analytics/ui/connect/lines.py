"""The choice of a tool, and its lines."""

import streamlit as st

from analytics import config, serving
from analytics.errors import InvalidInput
from analytics.ui.connect.keys import MadeKey
from analytics.ui.connect.tools import TOOLS, WRITTEN_KEY, Tool, blocks_of, filled_in
from analytics.ui.frame import reads
from analytics.ui.frame.address import Part
from analytics.ui.frame.first_call import server_address
from analytics.ui.frame.messages import escaped
from analytics.ui.frame.page import Page
from analytics.ui.parts.headings import show_heading

_MAX_QUOTED = 100  # characters
_START = """\
usage-analytics dashboard --api           # of an installed package
streamlit run analytics/server.py         # of a clone"""


def _parse(value: str) -> str:
    if value not in (names := [tool.name for tool in TOOLS]):
        raise InvalidInput(f'tool must be one of {", ".join(names)}, not "{value[:_MAX_QUOTED]}"')
    return value


_TOOL = Part(name="tool", parse=_parse, default=TOOLS[0].name)


def choose_tool() -> Tool:
    """A row of choices; the tool that the address names."""
    tools = {tool.name: tool for tool in TOOLS}
    name = _TOOL.choose(
        st.segmented_control,
        "Language or tool",
        list(tools),
        format_func=lambda name: tools[name].label,
        required=True,
    )
    return tools[name]


def show_api_state() -> None:
    """How to start the API, where this process does not serve it."""
    if serving.API_IS_HERE.is_set():
        return
    st.warning(
        "**This dashboard was started without the API**, which takes the calls. Unless it runs elsewhere "
        "at this address, start the dashboard with it, with the same settings, in one of these ways:",
        icon=":material/power_off:",
    )
    st.code(_START, language=None, wrap_lines=True)


def show_lines(page: Page, tool: Tool, key: MadeKey | None) -> None:
    """The tool's lines with this installation's address and the new key; without one, who has it."""
    address = server_address()
    with st.container(border=True):
        show_heading(tool.label, f"at {escaped(address)}")
        st.markdown(tool.note)
        for block in blocks_of(tool):
            text = filled_in(block, address, page.client.id, key.text if key else None)
            # The colours of a language have too little contrast.
            st.code(text, language=None, wrap_lines=True)
        if not tool.has_key:
            st.caption(
                "These lines need no key: they write to the database, whose address whoever runs this "
                f"dashboard knows, for {escaped(page.client.name)}, whose id is in them."
            )
        elif key is None:
            st.caption(f"`{WRITTEN_KEY}` stands for a key that may write. {_who_has_one(page)}")
        else:
            st.caption(
                "The key is in these lines, and is shown only until you leave this page. It can write calls "
                f"of {escaped(page.client.name)}, and read nothing."
            )


def _who_has_one(page: Page) -> str:
    if page.viewer.administers(page.client):
        return "Make one above, and it is filled in."
    contact = config.access_settings(reads.secrets() or {}).contact
    asked = escaped(contact) if contact else "whoever runs this dashboard"
    return f"Only administrators of {escaped(page.client.name)} make keys: ask one of them, or {asked}."
