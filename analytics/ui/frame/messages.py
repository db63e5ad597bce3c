"""Messages of pages that cannot show numbers: each says what is wrong and what to do."""

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
"""Shell commands that create a client and log its first call."""
ACCESS_SETTINGS = """\
# .streamlit/secrets.toml: one of these, then open the page again

[access]
local = true                # everything, for people at this machine: start with --server.address localhost

[access]
public_client = "..."       # only this client, by its name, for everybody who can open the page

[auth]                      # people sign in and see the clients they are members of: docs/deploy.md
redirect_uri = "https://usage.example.com/oauth2callback"
"""

log = logging.getLogger(__name__)

# Streamlit looks for these after it undoes escapes. A sign without width breaks them up.
_JOINER = "\N{WORD JOINER}"
_ADDRESS = re.compile(r"(https?:(?=//)|www(?=\.)|@(?=[-\w]+\.))", re.IGNORECASE)
_DOLLAR = re.compile(r"(?<!\\)\$")
_SIGN = re.compile(r"(?<!\S)(<-|[-<>~])([->=])(?!\S)")  # -- -> <- <-> >= <= ~=


@contextmanager
def explained() -> Iterator[None]:
    """Turns an error of ours into a message with a button to go on, and ends the page."""
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
    """Runs the page again every few seconds, as long as it shows this and whenever `is_due` says so."""
    _look_again(time.monotonic(), is_due)


@st.fragment(run_every=LOOK_EVERY_SECONDS)
def _look_again(drawn_at: float, is_due: Callable[[], bool]) -> None:
    # Not in the run that draws the page.
    if time.monotonic() - drawn_at > LOOK_EVERY_SECONDS / 2 and is_due():
        st.rerun()


def show_no_clients() -> NoReturn:
    """Says how to log a first call where the database has no clients; ends the page."""
    st.info(
        "**No calls yet.** This database has no clients. Run these two lines in the dashboard's directory, "
        "with its `DATABASE_URL`. They create a client and log a call; this page then shows it by itself, "
        "within seconds:",
        icon=":material/rocket_launch:",
    )
    st.code(FIRST_CLIENT, language="bash", wrap_lines=True)
    st.caption("Or import a file of calls, or look around in demo data:")
    st.code(
        "python -m analytics import calls.csv --client Acme --source openai --model gpt-4o-mini\n"
        "python -m analytics demo",
        language="bash",
        wrap_lines=True,
    )
    look_again()
    st.stop()


def with_dollars(markdown: str) -> str:
    """Our Markdown with its dollar signs escaped, as two would make a formula; escaped ones stay as they "
    "are."""
    return _DOLLAR.sub(r"\\$", markdown)


def escaped(text: str) -> str:
    """`text` as it is, on one line: nothing in it becomes Markdown, LaTeX, HTML, a link or an arrow."""
    line = _SIGN.sub(rf"\1{_JOINER}\2", _ADDRESS.sub(rf"\1{_JOINER}", " ".join(text.split())))
    return "".join(f"\\{sign}" if sign in string.punctuation else sign for sign in line)


def sentence(error: AnalyticsError) -> str:
    """An error's message as a sentence: in full for whoever runs the installation."""
    return _sentence(str(error) if session().is_operator else error.for_everybody)


def show_refusal(error: AnalyticsError) -> None:
    """Says why an input was not saved."""
    st.error(sentence(error), icon=":material/edit_off:")


def reason(failure: str) -> str:
    """Why the database does not answer, for whoever runs the installation; empty for all others."""
    return _sentence(failure) if session().is_operator else ""


def warn_of_last_numbers(read_at: str, failure: str) -> None:
    """The page shows numbers of an earlier moment, as the database does not answer."""
    st.warning(
        f"**The database does not answer.** These are the last good numbers, from {read_at}. "
        f"The page keeps trying. {reason(failure)}",
        icon=":material/cloud_off:",
    )


def _sentence(text: str) -> str:
    text = escaped(text)
    return f"{text[:1].upper()}{text[1:]}."


def _access_not_set_up(error: AccessNotSetUp) -> NoReturn:
    """Says how to give people access; ends the page."""
    log.error("%s", error)
    st.info(f"**Access is not set up.** {sentence(error)}", icon=":material/lock:")
    st.code(ACCESS_SETTINGS, language="toml", wrap_lines=True)
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
