"""`dashboard`: opens the dashboard of this package."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from analytics.config import PROJECT_DIRECTORY, dashboard_script
from analytics.exports.packages import dashboard_packages


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--api", "has_api", is_flag=True, help="With the API, in the same process.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def dashboard(has_api: bool, options: Sequence[str]) -> None:
    """Opens the dashboard at http://localhost:8501. OPTIONS are those of `streamlit run`.

    Other machines reach it with --server.address 0.0.0.0, once docs/access.md says who may look.
    """
    with dashboard_packages():
        import_module("streamlit")
    script = PROJECT_DIRECTORY / "analytics" / "server.py" if has_api else dashboard_script()
    given = {option.partition("=")[0] for option in options}
    address = () if "--server.address" in given else ("--server.address=localhost",)
    # In the place of this process: whoever ends it, ends the dashboard.
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", str(script), *address, *options])
