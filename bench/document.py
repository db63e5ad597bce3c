"""docs/speed.md and others, which have a block for each part; the README's block has three figures of it."""

import re
from collections.abc import Mapping
from pathlib import Path

PROJECT_DIRECTORY = Path(__file__).resolve().parent.parent
SPEED = PROJECT_DIRECTORY / "docs" / "speed.md"
README = PROJECT_DIRECTORY / "README.md"

_BLOCK = r"(<!-- bench{} -->\n)(.*?)(\n<!-- /bench -->)"


def block(text: str, part: str = "") -> str:
    """What a document says of a part; without a part, the README's figures.

    Raises:
        KeyError: it has no such block.
    """
    found = re.search(_pattern(part), text, flags=re.DOTALL)
    if found is None:
        raise KeyError(part)
    return found[2].strip()


def with_block(text: str, content: str, part: str = "") -> str:
    """The document with another content of a block."""
    block(text, part)
    return re.sub(
        _pattern(part), lambda found: f"{found[1]}\n{content.strip()}\n{found[3]}", text, flags=re.DOTALL
    )


def write(tables: Mapping[str, str], measured: str, places: Mapping[str, str]) -> None:
    """Writes what was measured; `measured` says when and on what, in a line, `places` in which document."""
    for part, table in tables.items():
        path = SPEED.with_name(f"{places[part]}.md")
        text = with_block(path.read_text(encoding="utf-8"), f"{table}\n\n{measured}", part)
        path.write_text(text, encoding="utf-8")
    speed = SPEED.read_text(encoding="utf-8")
    readme = with_block(README.read_text(encoding="utf-8"), headlines(speed))
    README.write_text(readme, encoding="utf-8")


def headlines(speed: str) -> str:
    """The README's three figures, out of docs/speed.md."""
    size, ours, _, direct, *_ = [
        row for row in _rows(block(speed, "reading")) if row[0][:1].isdigit() and "worst" not in row[0]
    ][-1]
    # The whole page of the largest size: ours, with rows pending, DuckDB.
    *_, page, _, duckdb = _row(block(speed, "reading"), "Overview, 30 days")
    logged, langfuse = (_row(block(speed, "calls"), name) for name in ("`log_openai_usage", "Langfuse"))
    api, bare = _rows(block(speed, "api"))
    return "\n".join(
        (
            f"- **{page} ms** for the whole Overview of the largest client among {size} calls; DuckDB: "
            f"{duckdb}.\n  Its sums alone: {ours} ms; from `usage_logs`: {_number(direct)} ms.",
            f"- **{logged[1]} µs** to log a call, priced and on disk; a Langfuse generation, kept in memory: "
            f"{langfuse[1]} µs.",
            f"- **{_number(api[1])} requests/s** for `GET /api/analytics` from one process; a bare FastAPI "
            f"route with the same bytes: {bare[1]}.",
        )
    )


def _rows(table: str) -> list[list[str]]:
    """The cells of a table's body, without emphasis."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines[2:]]


def _row(table: str, name: str) -> list[str]:
    """The row whose first cell begins with the name."""
    return next(row for row in _rows(table) if row[0].startswith(name))


def _number(cell: str) -> str:
    """A cell without what it has in brackets."""
    return cell.partition(" ")[0]


def _pattern(part: str) -> str:
    return _BLOCK.format(f" {part}" if part else "")
