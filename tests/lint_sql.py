"""`make check` over sql/: sqlfluff reads a function's body as a text, so each is given to it alone.

Exits with 1 where there is something to say. The rules are those of pyproject.toml and BODIES_WITHOUT.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import sqlfluff

from analytics.config import PROJECT_DIRECTORY
from analytics.migrations import SQL_DIRECTORY

RULES = PROJECT_DIRECTORY / "pyproject.toml"
_SETTINGS = tomllib.loads(RULES.read_text(encoding="utf-8"))["tool"]["sqlfluff"]["core"]
EXCLUDED = _SETTINGS["exclude_rules"].split(", ")
BODIES_WITHOUT = (
    *("LT01", "LT06", "LT13", "LT14"),  # where a body begins; "with" and "where" in one line; "x as y (a, b)"
    *("RF02", "RF03"),  # a parameter is no column
    *("AL03", "AM03", "AM04"),  # columns have the names of "returns table"; "desc" is for those that need it
    *("ST05", "ST06", "ST09"),  # small subqueries; the order of columns and of joins is ours
    "AM09",  # one row of some that are equal
)
_BODY = re.compile(
    r"^    language sql\b(?:(?!^create).)*?^as \$\$\n(?P<sql>.*?)^\$\$;"
    r"|^    return query\n(?P<plpgsql>.*?);$",
    re.M | re.S,
)
_INSERT_WITHOUT_COLUMNS = re.compile(r"insert into \w+(?: as \w+)?\s+select")


def statements(path: Path) -> Iterator[tuple[int, str]]:
    """The whole file, and the statements within its functions: the line before it, and its text."""
    text = path.read_text(encoding="utf-8")
    yield 0, text
    for body in _BODY.finditer(text):
        group = body.lastgroup or ""
        yield text.count("\n", 0, body.start(group)), body[group].strip("\n") + "\n"


def complaints(path: Path) -> list[str]:
    """What is wrong in a file of sql/, a line for each."""
    name = path.relative_to(PROJECT_DIRECTORY)
    found = []
    for offset, statement in statements(path):
        rules = [*EXCLUDED, *(BODIES_WITHOUT if offset else ())]
        for violation in sqlfluff.lint(statement, config_path=str(RULES), exclude_rules=rules):
            line = offset + violation["start_line_no"]
            found.append(f"{name}:{line}: {violation['code']} {violation['description']}")
        if not offset and (insert := _INSERT_WITHOUT_COLUMNS.search(statement)):
            line = 1 + statement.count("\n", 0, insert.start())
            found.append(f"{name}:{line}: insert names its columns")
    return found


def main() -> int:
    paths = sorted(SQL_DIRECTORY.rglob("*.sql"))
    with ProcessPoolExecutor() as processes:
        lines = [line for found in processes.map(complaints, paths) for line in found]
    print("\n".join(lines) or f"{len(paths)} files of sql/ are as they should be")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
