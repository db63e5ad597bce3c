"""The documents as tests read them: headings, links, code."""

import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
from markdown_it import MarkdownIt
from markdown_it.token import Token

from analytics.config import PROJECT_DIRECTORY

README = PROJECT_DIRECTORY / "README.md"
DOCUMENTS = [
    README,
    PROJECT_DIRECTORY / "CONTRIBUTING.md",
    PROJECT_DIRECTORY / "CHANGELOG.md",
    *sorted((PROJECT_DIRECTORY / "docs").glob("*.md")),
]


def name_of(path: Path) -> str:
    """A file as people name it: docs/api.md."""
    return path.relative_to(PROJECT_DIRECTORY).as_posix()


def document(name: str) -> Path:
    """The page of this name under docs/."""
    return PROJECT_DIRECTORY / "docs" / f"{name}.md"


def blocks(path: Path, language: str) -> list[str]:
    """The code of this language in a document."""
    return [
        token.content for token in _tokens(path) if token.type == "fence" and token.info.strip() == language
    ]


def headings(path: Path, level: int = 2) -> list[str]:
    """The headings of this level."""
    return [text for depth, text in _headings(path) if depth == level]


def anchors(path: Path) -> set[str]:
    """What a link to a heading may end with, as GitHub makes it."""
    seen: Counter[str] = Counter()
    found = set()
    for _, text in _headings(path):
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def targets(path: Path) -> list[str]:
    """Where the links and pictures of a document lead."""
    return [
        str(child.attrs.get("href") or child.attrs["src"])
        for token in _tokens(path)
        for child in token.children or []
        if child.type in ("link_open", "image")
    ]


def section(path: Path, heading: str) -> str:
    """What stands below a heading, down to the next one of its level."""
    lines = path.read_text(encoding="utf-8").splitlines()
    level = next(f"{'#' * depth} " for depth, text in _headings(path) if text == heading)
    begin = lines.index(f"{level}{heading}") + 1
    end = next((at for at in range(begin, len(lines)) if lines[at].startswith(level)), len(lines))
    return "\n".join(lines[begin:end])


def first_cells(text: str) -> list[str]:
    """The first column of the tables in a text, without their heads."""
    rows = re.findall(r"^\|(.+?)\|", text, flags=re.MULTILINE)
    is_rule = [set(cell.strip()) <= set("-:") and bool(cell.strip()) for cell in rows]
    heads = {at - 1 for at, rule in enumerate(is_rule) if rule}
    return [cell.strip() for at, cell in enumerate(rows) if not is_rule[at] and at not in heads]


def code_spans(texts: str | list[str]) -> list[str]:
    """What stands between backticks in a text."""
    return re.findall(r"`([^`\n]+)`", texts if isinstance(texts, str) else "\n".join(texts))


def commands(command: click.Command, *names: str) -> Iterator[tuple[str, click.Command]]:
    """Each command with its name, such as "members add"."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, *names, name)
    else:
        yield " ".join(names), command


def shell_lines(code: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Each line of a shell's code that is no comment, and the words of its commands without redirections.

    A line that goes on in the next is one. What people are to fill in, such as <id>, is THE-ID.
    """
    for line in _filled_in(code).replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        found: list[list[str]] = [[]]
        is_redirected = False
        for word in words:
            if set(word) <= set(";&|"):
                found.append([])
                is_redirected = False
            elif set(word) <= set("<>"):
                is_redirected = True
            elif not is_redirected:
                found[-1].append(word)
        if any(found):
            yield line, [each for each in found if each]


def is_shell(code: str) -> bool:
    """Whether a shell can read the code."""
    return subprocess.run(["bash", "-n"], input=_filled_in(code), text=True, check=False).returncode == 0


def _filled_in(code: str) -> str:
    return re.sub(r"<([a-z]+)>", lambda found: f"THE-{found[1].upper()}", code)


def _headings(path: Path) -> Iterator[tuple[int, str]]:
    tokens = _tokens(path)
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            yield int(token.tag[1:]), re.sub(r"[`*]", "", tokens[at + 1].content)


def _tokens(path: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))
