"""What only some tests need and install for themselves: each in a directory of its own, once."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path


def once(home: Path, fill: Callable[[Path], None]) -> None:
    """Makes `home`, unless it stands: `fill` fills a directory, which gets that name when it is whole."""
    if home.exists():
        return
    unfinished = home.with_name(f"{home.name}-{os.getpid()}")
    fill(unfinished)
    try:
        unfinished.rename(home)
    except OSError:  # another process was faster
        shutil.rmtree(unfinished)


def run(*command: str) -> None:
    """Runs an installer; raises RuntimeError with its words where it fails."""
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {ran.stderr.strip() or ran.stdout.strip()}")
