"""What tests need of npm, in a directory of its own.

`python -m tests.node_packages` installs it, which takes a while: .ci/run does so beside the first tests.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = (
    "typescript@5.9.3",
    "langfuse@3.39.2",
    "ai@6",
    "@ai-sdk/openai@3",
    "@opentelemetry/sdk-trace-node@2",
    "@opentelemetry/exporter-trace-otlp-http",
)
HOME = Path(sys.prefix) / "node-packages"
MODULES = HOME / "node_modules"


def install() -> str:
    """Once per environment; what went wrong, or an empty text."""
    if HOME.exists():
        return ""
    unfinished = HOME.with_name(f"{HOME.name}-{os.getpid()}")
    quiet = ("--silent", "--no-audit", "--no-fund")
    command = ["npm", "install", *quiet, "--prefix", str(unfinished), *PACKAGES]
    installed = subprocess.run(command, capture_output=True, text=True)
    if installed.returncode:
        return installed.stderr.strip() or "npm install failed"
    try:
        unfinished.rename(HOME)
    except OSError:  # another process was faster
        shutil.rmtree(unfinished)
    return ""


if __name__ == "__main__":
    sys.exit(install() or 0)
