"""The documents name everything that there is, and nothing that there is not.

tests/test_examples.py runs what they tell people to run.
"""

import ast
import inspect
import re
import shlex
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
from streamlit import config as streamlit_config

import analytics
from analytics.__main__ import main
from analytics.api import create_api
from analytics.config import ALERT_CHANNEL, ALERT_SETTINGS, PROJECT_DIRECTORY, access_settings, alert_channels
from bench import document as speed_document
from bench.parts import PARTS
from tests.documents import (
    DOCUMENTS,
    README,
    anchors,
    blocks,
    code_spans,
    commands,
    document,
    first_cells,
    headings,
    name_of,
    section,
    targets,
)

UNIT = PROJECT_DIRECTORY / "deploy" / "usage-analytics@.service"
DOCKERFILE = PROJECT_DIRECTORY / "Dockerfile"
INDEX = document("README")
COMMANDS = dict(commands(main))
PYTHON = sorted((PROJECT_DIRECTORY / "analytics").rglob("*.py"))
JAVASCRIPT = PROJECT_DIRECTORY / "typescript" / "index.js"
CODE = "".join(path.read_text(encoding="utf-8") for path in (*PYTHON, JAVASCRIPT))
STREAMLITS_OWN = {"redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url"}
OVERVIEW = "Overview"

in_each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)


def test_the_readme_fits_in_the_head() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()

    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 120] == []


def test_the_figures_of_the_readme_are_those_that_were_measured() -> None:
    speed = document("speed").read_text(encoding="utf-8")

    assert speed_document.block(README.read_text(encoding="utf-8")) == speed_document.headlines(speed)


def test_each_part_of_the_benchmark_has_its_block() -> None:
    texts = {name: document(name).read_text(encoding="utf-8") for name in ("speed", "budgets")}

    for name, text in texts.items():
        assert re.findall(r"<!-- bench (\w+) -->", text) == [
            part for part in PARTS if PARTS[part].document == name
        ]
    for part in PARTS:
        speed = texts[PARTS[part].document]
        text = speed_document.block(speed, part)
        assert "Measured on " in text
        assert (
            "Measured on "
            not in speed_document.with_block(speed, "new", part)
            .split(f"bench {part} -->")[1]
            .partition("<!-- /bench -->")[0]
        )
        assert speed_document.with_block(speed, text, part) == speed


def test_the_index_has_every_document() -> None:
    pages = {path.name for path in DOCUMENTS if path.parent == INDEX.parent} - {INDEX.name}

    assert {target for target in targets(INDEX) if "/" not in target} == pages


@in_each_document
def test_links_lead_somewhere(path: Path) -> None:
    for target in targets(path):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        goal = (path.parent / name).resolve() if name else path
        assert goal.exists(), f"{target}: no such file"
        if anchor:
            assert anchor in anchors(goal), f"{target}: no such heading"


@in_each_document
def test_each_command_of_the_documents_is_one(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for words in re.findall(r"python -m analytics\b([^\n`]*)", text):
        command: click.Command = main
        for word in shlex.split(words, comments=True):
            if isinstance(command, click.Group) and not word.startswith("-"):
                below = command.get_command(click.Context(command), word)
                assert below is not None, f"python -m analytics{words}: no command {word}"
                command = below
            elif word.startswith("--"):
                assert word in _options(command), f"python -m analytics{words}: no option {word}"


def test_all_commands_are_documented() -> None:
    assert sorted(headings(document("commands"))) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_all_options_of_a_command_are_documented(name: str) -> None:
    text = section(document("commands"), name)

    assert sorted(code_spans(first_cells(text))) == sorted(_options(COMMANDS[name]) - {"--help"})


def test_all_environment_variables_are_documented() -> None:
    text = section(document("settings"), "Environment")

    assert sorted(code_spans(first_cells(text))) == sorted(_environment_variables())


def test_all_secrets_are_documented() -> None:
    found = code_spans(first_cells(section(document("settings"), "Secrets")))
    access = {f"[access] {name}" for name in _access_names()}

    alerts = {"[alerts] dashboard_url", "[alerts] sensitivity", "[alerts.channels]"}
    assert sorted(found) == sorted({"[connections.usage] url", "[auth]", *access, *alerts})
    named = section(document("settings"), "Secrets")
    assert set(ALERT_SETTINGS) <= set(code_spans(named))
    assert set(code_spans(section(document("settings"), "Secrets"))) >= STREAMLITS_OWN


@in_each_document
def test_secrets_of_the_documents_are_understood(path: Path) -> None:
    if path == document("connect"):
        return  # settings of other tools: see test_connect.py
    for code in blocks(path, "toml"):
        secrets = tomllib.loads(code)
        if set(secrets) == {"access"} and "trust_unverified_email" in secrets["access"]:
            secrets["auth"] = {name: {} for name in secrets["access"]["trust_unverified_email"]}
        access_settings(secrets)  # raises at what it does not know
        alert_channels(secrets)
        assert set(secrets) <= {"connections", "auth", "access", "alerts"}


def test_all_pages_are_documented() -> None:
    pages = {OVERVIEW, *(path.stem.replace("_", " ").capitalize() for path in _pages())}

    assert set(headings(document("pages"))) == {*pages, "Dark, and on a phone"}
    assert set(first_cells(section(README, "What it does"))) == pages


def test_all_routes_are_documented() -> None:
    text = document("api").read_text(encoding="utf-8")

    documented = re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[\w/.]+)`", text)

    assert sorted(set(documented)) == sorted({*_routes(), "GET /api/docs", "GET /api/openapi.json"})


def test_all_parameters_are_documented() -> None:
    for heading, route in (
        ("Read the numbers", "GET /api/analytics"),
        ("Check a budget before a call", "GET /api/budgets/check"),
        ("Export a file", "GET /api/export"),
    ):
        text = section(document("api"), heading)
        assert code_spans(text)[0] == route
        assert sorted(code_spans(first_cells(text))) == sorted(_routes().pop(route))


@in_each_document
def test_no_document_names_a_route_that_is_not(path: Path) -> None:
    named = re.findall(r"`((?:GET|POST) /[\w/.]+)", path.read_text(encoding="utf-8"))

    assert set(named) <= {*_routes(), "GET /api/docs", "GET /api/openapi.json"}


def test_the_reference_of_the_tracker_is_whole() -> None:
    tracking = document("tracking")
    parameters = [*inspect.signature(analytics.log_openai_usage).parameters]
    openai = [*parameters[:-1], *analytics.tracking.CallFacts.__annotations__]
    said = code_spans(section(tracking, "Arguments"))
    functions = (analytics.log_whisper_usage, analytics.log_usage)

    assert code_spans(first_cells(section(tracking, "Arguments"))) == openai
    for function in functions:
        assert set(inspect.signature(function).parameters) - {"facts"} <= set(said)
    assert code_spans(first_cells(section(tracking, "What the tracker did"))) == [
        field.name for field in fields(analytics.TrackerStats)
    ]
    settings = code_spans(section(tracking, "Never lost, never twice, never in the way"))
    assert set(inspect.signature(analytics.configure).parameters) <= set(settings)
    everywhere = {word for span in code_spans(_all_text()) for word in re.findall(r"\w+", span)}
    assert set(analytics.__all__) - {
        "Cost",
        "Usage",
        "RemoteAnalytics",
        "calculate_cost",
    } <= everywhere | set(re.findall(r"\w+", "".join(blocks(tracking, "python"))))


@pytest.mark.parametrize("path", [*DOCUMENTS, UNIT, DOCKERFILE], ids=name_of)
def test_each_name_in_the_documents_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    options = streamlit_config.get_config_options()

    variables = set(re.findall(r"\bUSAGE_[A-Z_]+\b", text))
    files = set(
        re.findall(r"(?<![\w/.-])(?:analytics|deploy|docs|examples|pages|sql|tests)/[\w./@-]*\w", text)
    )
    flags = set(re.findall(r"--((?:server|secrets|browser|client)\.\w+)", text))
    objects = set(re.findall(r"\b(analytics(?:\.\w+)+):(\w+)", text))

    assert [name for name in variables if f'"{name}"' not in CODE] == []
    assert [name for name in files if not (PROJECT_DIRECTORY / name).exists()] == []
    assert [name for name in flags if name not in options] == []
    assert [each for each in objects if each[1] not in _names_of(each[0])] == []


@in_each_document
def test_each_file_that_is_named_in_short_is_there(path: Path) -> None:
    """As in `api/work.py`: a file's name, with so much of its path that people find it."""
    named = {
        span
        for span in code_spans(path.read_text(encoding="utf-8"))
        if re.fullmatch(r"[\w/]+\.(py|js)", span)
    }
    there = [f"/{name_of(each)}" for suffix in ("py", "js") for each in _files(suffix)]

    assert [name for name in named if not any(each.endswith(f"/{name}") for each in there)] == []


def _options(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("--")} | {
        "--help"
    }


def _environment_variables() -> set[str]:
    """What the code reads of the environment: by its name in place, or as an argument of who reads it."""
    found = set(re.findall(r'\b_\w+\((?:[^()]*, )?"(USAGE_[A-Z_]+)"', CODE))
    for node in (node for path in PYTHON for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
        reads = None
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("os.environ.get", "os.getenv"):
            reads = node.args[0]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            reads = node.slice
        if isinstance(reads, ast.Constant):
            found.add(str(reads.value))
    return found | {ALERT_CHANNEL}


def _access_names() -> set[str]:
    """What [access] may have, as its reader names it."""
    reader = ast.parse(inspect.getsource(access_settings))
    [known] = [
        {ast.literal_eval(key) for key in node.value.keys if key is not None}
        for node in ast.walk(reader)
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "kinds"
        and isinstance(node.value, ast.Dict)
    ]
    return known


def _routes() -> dict[str, list[str]]:
    """Method and path of each route, with the names of its parameters; a filter's `!` is told once."""
    paths: dict[str, dict[str, Any]] = create_api().openapi()["paths"]
    return {
        f"{method.upper()} {path}": [
            each["name"] for each in operation.get("parameters", []) if not each["name"].endswith("!")
        ]
        for path, operations in paths.items()
        for method, operation in operations.items()
    }


def _pages() -> list[Path]:
    return sorted((PROJECT_DIRECTORY / "pages").glob("*.py"))


def _files(suffix: str) -> list[Path]:
    directories = ("analytics", "pages", "tests", "bench", "examples")
    return [
        PROJECT_DIRECTORY / "streamlit_app.py",
        *(each for name in directories for each in (PROJECT_DIRECTORY / name).rglob(f"*.{suffix}")),
    ]


def _all_text() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


def _names_of(module: str) -> set[str]:
    """What stands at the top of a module of ours."""
    path = PROJECT_DIRECTORY.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    names = set()
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Assign):
            names |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return names
