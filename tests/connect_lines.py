"""The lines of docs/connect.md, for tests that run them. tests/test_connect.py holds that all are run."""

import re
import shlex

from tests.documents import document

DOCUMENT = document("connect")
WRITTEN = {"server": "http://localhost:8501", "key": "$WRITE_KEY", "client": "$CLIENT_ID"}
_BLOCK = re.compile(r"^(#{2,3}) (?P<heading>[^\n]+)$|^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)


def all_lines() -> dict[tuple[str, str], str]:
    """Heading and language -> code. A heading has one block of each language."""
    found: dict[tuple[str, str], str] = {}
    heading = ""
    for block in _BLOCK.finditer(DOCUMENT.read_text(encoding="utf-8")):
        if block["heading"]:
            heading = block["heading"]
        else:
            place = (heading, block["language"])
            assert place not in found, f"two blocks of {place}"
            found[place] = block["code"]
    return found


def lines(heading: str, language: str, **told: object) -> str:
    """The code with what `told` has in the place of what is written: server, key, client."""
    code = all_lines()[heading, language]
    for name, value in told.items():
        assert WRITTEN[name] in code, f"no {WRITTEN[name]} in the lines of {heading}"
        code = code.replace(WRITTEN[name], str(value))
    return code


def variables(heading: str, server: str, key: str) -> dict[str, str]:
    """What the shell's lines set."""
    code = lines(heading, "bash", server=server, key=key)
    exports = "\n".join(line for line in code.splitlines() if line.startswith("export "))
    words = shlex.split(exports.replace("export ", ""), comments=True)
    return dict(word.split("=", 1) for word in words)
