"""The states in which a page has nothing to show: each says what is wrong and what to do."""

import logging
import re
import string
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import streamlit as st

from analytics.errors import AccessNotSetUp, AnalyticsError, DatabaseUnavailable, InvalidInput, SchemaMissing
from analytics.ui.frame.state import session

LOOK_EVERY_SECONDS = 4
"""How often an open page looks for what is new. It asks the cache, which asks the database once a minute."""

FIRST_CLIENT = (
    'CLIENT="$(python -m analytics client Acme)"\n'
    "python -c \"from analytics import log_openai_usage; log_openai_usage('$CLIENT', None, '5511999999999', "
    "'gpt-4', {'prompt_tokens': 150, 'completion_tokens': 80})\""
)
"""What makes a client and logs its first call, in a shell."""
WHO_MAY_LOOK = """\
# .streamlit/secrets.toml: one of these, then open the page again

[access]
local = true                # all, to whoever sits at this machine: start with --server.address localhost

[access]
public_client = "..."       # this one client, by its name, to everybody who can reach the page

[auth]                      # people sign in, and see what they are members of: docs/deploy.md
redirect_uri = "https://usage.example.com/oauth2callback"
"""

log = logging.getLogger(__name__)

# Streamlit looks for these in a text whose escapes are undone already. A sign without width parts them.
_JOINER = "\N{WORD JOINER}"
_ADDRESS = re.compile(r"(https?:(?=//)|www(?=\.)|@(?=[-\w]+\.))", re.IGNORECASE)
_DOLLAR = re.compile(r"(?<!\\)\$")
_SIGN = re.compile(r"(?<!\S)(<-|[-<>~])([->=])(?!\S)")  # -- -> <- <-> >= <= ~=


@contextmanager
def explained() -> Iterator[None]:
    """Turns an error of ours into a sentence on the page and a way on, and ends the page."""
    try:
        yield
    except InvalidInput as error:
        _stop("This link does not work", error, action="Go on without it", icon=":material/link_off:")
    except SchemaMissing as error:
        _stop("The database is not set up yet", error, action="Try again", icon=":material/database:")
    except AccessNotSetUp as error:
        _access_not_set_up(error)
    except AnalyticsError as error:
        _stop("No numbers to show", error, action="Try again", icon=":material/cloud_off:")


def look_again(is_due: Callable[[], bool] = lambda: True) -> None:
    """Runs the page again by itself, every few seconds as long as it shows this, where `is_due` says so."""
    _look_again(time.monotonic(), is_due)


@st.fragment(run_every=LOOK_EVERY_SECONDS)
def _look_again(drawn_at: float, is_due: Callable[[], bool]) -> None:
    # Not with the page that draws it.
    if time.monotonic() - drawn_at > LOOK_EVERY_SECONDS / 2 and is_due():
        st.rerun()


def no_clients() -> NoReturn:
    """The database is there, but empty."""
    st.info(
        "**No calls yet.** This database has no client. These two lines make one and log a call, and this "
        "page shows it within seconds, by itself. Run them in the dashboard's directory, with its "
        "`DATABASE_URL`:",
        icon=":material/rocket_launch:",
    )
    st.code(FIRST_CLIENT, language="bash", wrap_lines=True)
    st.caption("Or import a log of calls, or look around in demo data:")
    st.code(
        "python -m analytics import calls.csv --client Acme --source openai --model gpt-4o-mini\n"
        "python -m analytics demo",
        language="bash",
        wrap_lines=True,
    )
    look_again()
    st.stop()


def in_dollars(markdown: str) -> str:
    """Markdown of ours in which a dollar sign begins no formula; one that is escaped already stays so."""
    return _DOLLAR.sub(r"\\$", markdown)


def escaped(text: str) -> str:
    """`text` as it is, on one line: no sign in it is Markdown, LaTeX, HTML, an address or an arrow."""
    line = _SIGN.sub(rf"\1{_JOINER}\2", _ADDRESS.sub(rf"\1{_JOINER}", " ".join(text.split())))
    return "".join(f"\\{sign}" if sign in string.punctuation else sign for sign in line)


def sentence(error: AnalyticsError) -> str:
    """An error's message as it stands in running text: all of it for whoever runs the installation."""
    return _sentence(str(error) if session().is_operator else error.for_everybody)


def reason(failure: str) -> str:
    """Why the database does not answer, for whoever runs the installation; nothing for all others."""
    return _sentence(failure) if session().is_operator else ""


def _sentence(text: str) -> str:
    text = escaped(text)
    return f"{text[:1].upper()}{text[1:]}."


def _access_not_set_up(error: AccessNotSetUp) -> NoReturn:
    """The last step of setting up."""
    log.error("%s", error)
    st.info(f"**Nobody has said who may look.** {sentence(error)}", icon=":material/lock:")
    st.code(WHO_MAY_LOOK, language="toml", wrap_lines=True)
    look_again()
    st.stop()


def _stop(heading: str, error: AnalyticsError, *, action: str, icon: str) -> NoReturn:
    log.error("%s: %s", heading, error)
    st.error(f"**{heading}.** {sentence(error)}", icon=icon)
    if isinstance(error, DatabaseUnavailable) and error.is_back is not None:
        look_again(error.is_back)
    elif not isinstance(error, InvalidInput):
        look_again()
    if isinstance(error, InvalidInput):
        st.button(action, type="primary", on_click=st.query_params.clear)
    elif st.button(action, type="primary"):
        st.rerun()
    st.stop()
