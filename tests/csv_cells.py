"""How to read back a cell of an exported CSV: see exports.cells."""


def original_text(cell: str) -> str:
    """The text of which text_cell() made this cell."""
    return cell.removeprefix("'")
