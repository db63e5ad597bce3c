"""The FinOps Foundation's own validator.

`python -m tests.focus_validator` installs it, which takes a while: .ci/run does so beside the first tests.
"""

import sys
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement

from tests import installed

VERSION = "2.2.1"
# It wants numpy 1 and pandas 2, which a newer pyarrow does not start with; we have newer ones.
PYARROW = "pyarrow<22"
HOME = Path(sys.prefix) / f"focus-validator-{VERSION}"
# All that it wants Python 3.12 for.
_CONVERTER = Path("focus_validator", "config_objects", "focus_to_duckdb_converter.py")
_OF_PYTHON_3_12 = """f"'{k.replace('\\"', '\\"\\"')}'" for k"""
_OF_ALL = """"'" + k.replace('"', '""') + "'" for k"""


def install() -> None:
    """Once per environment."""
    installed.once(HOME, _fill)


def _fill(directory: Path) -> None:
    target = ("-q", "--target", str(directory))
    # What it needs comes by uv, in a tenth of the time; but uv cannot be told that it wants too new a Python.
    itself = ("--ignore-requires-python", "--no-deps", f"focus-validator=={VERSION}")
    installed.run(sys.executable, "-m", "pip", "install", *target, *itself)
    (its,) = distributions(path=[str(directory)])
    needed = [each for each in its.requires or () if "extra" not in str(Requirement(each).marker)]
    python = ("--python", sys.executable)
    installed.run(sys.executable, "-m", "uv", "pip", "install", *target, *python, *needed, PYARROW)
    converter = directory / _CONVERTER
    text = converter.read_text(encoding="utf-8")
    assert _OF_PYTHON_3_12 in text
    converter.write_text(text.replace(_OF_PYTHON_3_12, _OF_ALL), encoding="utf-8")


if __name__ == "__main__":
    install()
