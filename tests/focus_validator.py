"""The FinOps Foundation's own validator, in a directory of its own.

`python -m tests.focus_validator` installs it, which takes a while: .ci/run does so beside the first tests.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# It wants numpy 1 and pandas 2, which a newer pyarrow does not start with; we have newer ones.
PACKAGES = ("focus-validator==2.2.1", "pyarrow<22")
HOME = Path(sys.prefix) / "focus-validator-2.2.1"
# All that it wants Python 3.12 for.
_CONVERTER = Path("focus_validator", "config_objects", "focus_to_duckdb_converter.py")
_OF_PYTHON_3_12 = """f"'{k.replace('\\"', '\\"\\"')}'" for k"""
_OF_ALL = """"'" + k.replace('"', '""') + "'" for k"""


def install() -> str:
    """Once per environment; what went wrong, or an empty text."""
    if HOME.exists():
        return ""
    unfinished = HOME.with_name(f"{HOME.name}-{os.getpid()}")
    options = ["-q", "--ignore-requires-python", "--target", str(unfinished)]
    command = [sys.executable, "-m", "pip", "install", *options, *PACKAGES]
    installed = subprocess.run(command, capture_output=True, text=True)
    if installed.returncode:
        return installed.stderr.strip()
    converter = unfinished / _CONVERTER
    text = converter.read_text(encoding="utf-8")
    assert _OF_PYTHON_3_12 in text
    converter.write_text(text.replace(_OF_PYTHON_3_12, _OF_ALL), encoding="utf-8")
    try:
        unfinished.rename(HOME)
    except OSError:  # another process was faster
        shutil.rmtree(unfinished)
    return ""


if __name__ == "__main__":
    sys.exit(install() or 0)
