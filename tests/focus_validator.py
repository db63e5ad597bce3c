"""The FinOps Foundation's own validator, in a directory of its own.

`python -m tests.focus_validator` installs it, which takes a while: .ci/run does so beside the first tests.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# It wants pandas 2, numpy 1 and pandera 0.17 (which does not start with a newer multimethod); we have
# pandas 3.
PACKAGES = ("focus-validator==1.0.0", "multimethod<2")
HOME = Path(sys.prefix) / "focus-validator"


def install() -> str:
    """Once per environment; what went wrong, or an empty text."""
    if HOME.exists():
        return ""
    unfinished = HOME.with_name(f"{HOME.name}-{os.getpid()}")
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(unfinished), *PACKAGES]
    installed = subprocess.run(command, capture_output=True, text=True)
    if installed.returncode:
        return installed.stderr.strip()
    try:
        unfinished.rename(HOME)
    except OSError:  # another process was faster
        shutil.rmtree(unfinished)
    return ""


if __name__ == "__main__":
    sys.exit(install() or 0)
