"""The dashboard under AppTest: in this process, without a browser."""

import threading
from typing import Any

import streamlit as st
from streamlit import config as streamlit_config
from streamlit.testing.v1 import AppTest

from analytics.config import PROJECT_DIRECTORY
from analytics.ui.frame import sign_in
from analytics.ui.frame.sign_in import Handshake

TIMEOUT_SECONDS = 60
AT_THIS_MACHINE = {"access": {"local": True}}
"""Secrets of a laptop: everything is shown to whoever sits at it."""
_HANDSHAKE = Handshake(
    headers={"host": ["localhost:8501"], "origin": ["http://localhost:8501"]}, address=None
)
_COMPONENTS: list[Any] = [None]

# AppTest has no connection, and no place for what a browser says when it opens one.
sign_in.handshake = lambda: _HANDSHAKE


def open_page(
    path: str | None = None,
    *,
    secrets: dict[str, Any] = AT_THIS_MACHINE,
    server_address: str | None = "localhost",
    **link: str | list[str],
) -> AppTest:
    """The Overview or another page, as a link opens it on a server that listens to `server_address`."""
    streamlit_config.set_option("server.address", server_address)
    page = AppTest.from_file(str(PROJECT_DIRECTORY / "streamlit_app.py"), default_timeout=TIMEOUT_SECONDS)
    for name, value in secrets.items():
        page.secrets[name] = value
    for name, value in link.items():
        page.query_params[name] = value
    if path is not None:
        page.switch_page(path)
    # At its first run an AppTest looks through all that is installed for components of Streamlit, which takes
    # longer than most of our pages: the first one does it for all.
    page._bidi_component_manager = _COMPONENTS[-1]
    page.run()
    _COMPONENTS[:] = [page._bidi_component_manager]
    return page


def cool_caches() -> None:
    """Ends what pages leave to the background, which uses the database that is closed with the caches."""
    for thread in threading.enumerate():
        if thread.name in ("keep sums", "keep hours"):
            thread.join()
    st.cache_resource.clear()


def text_of(page: AppTest) -> str:
    """All that is written on the page outside of tables and charts."""
    elements = [*page.markdown, *page.caption, *page.info, *page.error, *page.warning, *page.text]
    links = [each.proto.label for each in page.main.get("page_link")]
    return "\n".join([*(element.value for element in elements), *links])


def metrics_of(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def button(page: AppTest, label: str) -> Any:
    [found] = [each for each in page.button if each.label == label]
    return found


def facts_of(page: AppTest) -> dict[str, str]:
    """The panel of a call: its labels and values."""
    texts = [_plain(each.value) for each in page.main.markdown]
    places = [place for place, text in enumerate(texts) if text.startswith("## Call of ")]
    if not places:
        return {}
    panel = texts[places[0] + 1 :]
    labels_and_values = [text for text in panel if text != "Metadata" and not text.startswith("## ")]
    return dict(zip(labels_and_values[::2], labels_and_values[1::2], strict=True))


def _plain(markdown: str) -> str:
    for mark in ("\\", "**", "\N{WORD JOINER}"):
        markdown = markdown.replace(mark, "")
    return markdown.replace("\N{NO-BREAK SPACE}", " ")
