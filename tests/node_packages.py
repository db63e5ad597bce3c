"""What tests need of npm.

`python -m tests.node_packages` installs it, which takes a while: .ci/run does so beside the first tests.
"""

import sys
from pathlib import Path

from tests import installed

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


def install() -> None:
    """Once per environment."""
    quiet = ("--silent", "--no-audit", "--no-fund")
    installed.once(HOME, lambda at: installed.run("npm", "install", *quiet, "--prefix", str(at), *PACKAGES))


if __name__ == "__main__":
    install()
